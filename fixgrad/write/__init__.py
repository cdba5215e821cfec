"""Write patches to disk: every file or none. Nothing else in fixgrad writes.

How: every file is read again and compared, then written in full to a temporary file beside it and
synced, and only then are all of them renamed into place, the old ones kept aside until the last.
A failure on the way renames the old ones back. Against a kill or a power cut, a journal in the
user's own state folder (never in the project, where someone else could plant one) says what was
under way; the next `fixgrad --fix` there takes it back.
"""

from __future__ import annotations

from fixgrad.write.journal import interrupted, recover, state_folder
from fixgrad.write.replace import encoded, write

__all__ = ["encoded", "interrupted", "recover", "state_folder", "write"]

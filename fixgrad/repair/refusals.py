"""Why a finding is left alone: for each code a name, what it means, and what the user can do."""

from __future__ import annotations

REFUSALS = {
    "FG901": "several-candidates",
    "FG902": "gradient-is-cut",
    "FG903": "graph-is-reused",
    "FG904": "stated-otherwise",
    "FG905": "no-backward-pass",
    "FG906": "shared-with-data",
    "FG907": "autograd-is-off",
    "FG908": "unplaceable-edit",
    "FG909": "storage-conflict",
    "FG910": "unrepairable-use",
    "FG911": "file-not-given",
    "FG912": "seen-by-runs-only",
    "FG913": "contradicted-by-runs",
}

# Why no place was found for a grant.
PLACELESS = {
    "FG906": "the expression also makes tensors that are data, and no call tells them apart",
    "FG908": "no expression makes this tensor alone, so there is no place for the grant",
}

EXPLANATIONS = {
    "FG901": """\
Several tensors could be meant, and nothing in the program says which.

## When it comes
`loss.backward()` raises because nothing upstream is tracked, two or more tensors lie upstream, and no `.grad`,
optimizer or hook names one of them. Also where `.grad` is read of an array from which several tensors are made.

## What you can do
Write `requires_grad=True` where the tensor is made that you want a gradient of, or read its `.grad` after the backward
pass; then run fixgrad again.
""",
    "FG902": """\
On the way from the tensor to the loss its values leave autograd: a grant would only hide that.

## When it comes
Between the tensor and the backward pass stands `.numpy()`, `.item()`, `.tolist()`, `.detach()`, a NumPy or SciPy
function, or a second `torch.tensor(...)`. Once the tensor is tracked, the gradient would still be missing, or a part
of it would, without a word.

## What you can do
Write the named line in torch operations (`torch.dot` for `np.dot`, `torch.stack(list)` for `torch.tensor(list)`), or
wrap it in a `torch.autograd.Function` with a backward pass of its own. Where the cut is meant, write `.detach()` there
and grant the gradient yourself.
""",
    "FG903": """\
Something computed once from the tensor is differentiated again, which would raise.

## When it comes
A value is computed from the tensor before a loop, and every turn of the loop calls `backward()` through it; or a sum or
list of losses or a state goes on from turn to turn, and every turn differentiates all of it. Once the tensor is
tracked, the second turn raises "Trying to backward through the graph a second time".

## What you can do
Move the computation into the loop if it is to be differentiated, or `.detach()` its result if it is a constant; call
`backward()` on the loss of the turn, or on the sum once behind the loop.
""",
    "FG904": """\
The program says itself that this tensor has no gradient.

## When it comes
`requires_grad=False` or `volatile=True` is written on a tensor that an optimizer gets, or whose gradient is asked for
otherwise, and the backward pass behind it has nothing else to differentiate. Where it has, such a tensor is taken at
its word and not reported.

## What you can do
Decide which of the two lines is wrong: remove `requires_grad=False`, or the demand.
""",
    "FG905": """\
No backward pass that fixgrad can see reaches the tensor before its gradient is read.

## When it comes
`.grad` is read, or an optimizer steps, before `backward()`; or the backward pass belongs to another tensor; or it runs
in code that fixgrad was not given.

## What you can do
Call `backward()` on a loss that is computed from this tensor first. If another file does, name that file or its folder
on the command line too.
""",
    "FG906": """\
The expression makes data as well, and no call tells the two apart.

## When it comes
One helper or one line of a loop makes every tensor, and only some of them are asked for a gradient. A grant there would
track the data too.

## What you can do
Make the trainable tensor in an expression of its own, or call `.requires_grad_()` on it where it is taken out.
""",
    "FG907": """\
The tensor or the loss is made under `no_grad` or `inference_mode`.

## When it comes
The gradient is asked for inside `torch.no_grad()`, `torch.inference_mode()` or after `set_grad_enabled(False)`, also as
a decorator of the function. A grant does not help where nothing is recorded.

## What you can do
Take the computation out of the block, or open `with torch.enable_grad():` around it. A tensor made under
`inference_mode` must be made outside of it, or cloned there.
""",
    "FG908": """\
The edit has no right place.

## When it comes
No expression makes this tensor alone and no name of its own is given to it where it is made (a row unpacked of another
tensor into a dict, a conversion through a `partial`), the file has no name for torch where one is needed, or the
edit falls together with another one.

## What you can do
Give the tensor an expression and a name of its own, `row = rows[0].clone()`, or import torch there; then run fixgrad
again.
""",
    "FG909": """\
The array is written and read in ways that neither a copy nor shared memory suits.

## When it comes
The program writes to the array after the conversion and counts on the tensor seeing it, and elsewhere counts on the
array keeping its values while the tensor is updated.

## What you can do
Say which is meant: `torch.tensor(a, requires_grad=True)` copies, `torch.from_numpy(a).requires_grad_()` shares.
""",
    "FG910": """\
The tracked tensor would break a line that fixgrad cannot mend.

## When it comes
The plan was followed through the program as it would be, and a line then raises or gives another result: an in-place
write to what autograd still needs, a backward pass through what torch has no derivative of (`x // 2`), a gradient read
of a computed tensor, an export to NumPy of what is not always a tensor.

## What you can do
Look at the named line: write it out of place, read the gradient of the tensor that is made of data, or `.detach()`
what leaves for NumPy; then run fixgrad again.
""",
    "FG911": """\
The repair would change a file that was not named on the command line.

## When it comes
fixgrad was given some files of a project, as by a commit hook, and the tensor is made, or would have to be detached,
in another one. The others are read for what they say, never edited.

## What you can do
Name that file too, or the folder that holds both: `fixgrad --fix src`.
""",
    "FG912": """\
Only a recorded run knows that the gradient of this tensor is asked for.

## When it comes
`--evidence` names what `fixgrad trace` recorded: a tensor that reached an optimizer, `autograd.grad`, a hook or a read
of `.grad` untracked, on a way that the analysis does not follow: made by a name that is computed, by a library or by a
`DataLoader`. The recorded way is shown; an edit could not be checked.

## What you can do
Grant the gradient where the tensor is made, or where it leaves the loader, and trace the program again. If it is meant
to have none, say so with a comment: `# fixgrad: data`.
""",
    "FG913": """\
A recorded run shows that the gradient is there after all.

## When it comes
`--evidence` names what `fixgrad trace` recorded: at the place where the analysis says that the gradient is missing, it
arrived, or the tensor was tracked, in each run. The finding is shown with low confidence, is not repaired, and does not
count for the exit code.

## What you can do
Look who tracks the tensor: code that fixgrad does not follow, often of a library; `grad-enabled` in the settings tells
it of such calls. Where another input of the program takes another way, trace that too.
""",
}

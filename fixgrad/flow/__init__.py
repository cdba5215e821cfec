"""The data flow: from a file's bytes to which tensors are tracked, demanded and endangered."""

"""The texts that oracle programs are put together from; `{}` stands for a value of the program."""

from __future__ import annotations


def listed(text: str) -> tuple[str, ...]:
    """Return the items of a text, which are separated by ` ; ` or by lines."""
    return tuple(
        item.strip() for line in text.splitlines() for item in line.split(" ; ") if item.strip()
    )


# arrays
ARRAYS = listed("""
    np.ones((3, 3)) ; np.ones((3, 3), dtype=np.float32) ; np.linspace(0.1, 0.9, 3)
    np.arange(9.0).reshape(3, 3) ; np.arange(3) ; np.zeros((3, 3), dtype=np.float64)
    np.array([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6], [0.7, 0.8, 0.9]]) ; np.array([0.5, 0.25, 1.0])
    np.array([1, 2, 0]) ; np.random.rand(3, 3) ; np.eye(3, dtype='float32')
    np.array([0.5, 0.1, 0.2], np.float32) ; np.array([True, False, True]) ; np.array(0.5)
    np.full((3, 3), 0.5) ; np.full((3,), 2) ; np.random.randn(3).astype(np.float32)
""")
# from one array to another
ARRAY_STEPS = listed("""
    {}.astype(np.float32) ; {}.astype('float64') ; {} * 2 ; {} + 0.5 ; {}.copy() ; {}.T
    {}.reshape(-1) ; np.sqrt({}) ; {}.sum(axis=0) ; {} / 2 ; {}[0] ; np.abs({}) ; {}.astype(int)
    np.asarray({}) ; np.concatenate([{}, {}]) ; {} ** 2 ; -{} ; {} > 0.3 ; np.float32({})
    {}.mean(axis=0) ; np.stack([{}, {}]) ; {}.flatten()
""")
# from an array to a tensor
CONVERSIONS = listed("""
    torch.from_numpy({}) ; torch.tensor({}) ; torch.as_tensor({}) ; torch.Tensor({})
    torch.FloatTensor({}) ; torch.DoubleTensor({}) ; torch.tensor({}, dtype=torch.float32)
    torch.tensor({}, requires_grad=True)
    torch.tensor({}, dtype=torch.float64, requires_grad=True)
    torch.as_tensor({}, dtype=torch.float32)
    Variable(torch.from_numpy({}), requires_grad=True) ; Variable(torch.from_numpy({}))
    Parameter(torch.from_numpy({})) ; nn.Parameter(torch.tensor({}))
    nn.Parameter(torch.Tensor({}), requires_grad=False) ; torch.asarray({})
    torch.LongTensor({}) ; torch.tensor({}, requires_grad=False) ; torch.from_numpy({}).float()
    torch.from_numpy({}).float().requires_grad_() ; torch.as_tensor({}).double()
    torch.from_numpy({}).requires_grad_() ; torch.tensor({}.tolist())
    torch.tensor({}.tolist(), requires_grad=True) ; torch.asarray({}, requires_grad=True)
    torch.from_numpy({}).to(torch.float32)
""")
# casts and moves
CASTS = listed("""
    {}.to(torch.float32) ; {}.to(torch.float64) ; {}.to('cpu') ; {}.to({}) ; {}.cpu()
    {}.type(torch.float64) ; {}.type_as({}) ; {}.to('cpu', torch.float32)
    {}.to(dtype=torch.float64) ; {}.to(torch.device('cpu')) ; {}.to(torch.int64)
    {}.to(torch.float16) ; {}.to({}.dtype) ; {}.type(torch.FloatTensor)
    {}.type('torch.DoubleTensor') ; {}.to(torch.float32, copy=True)
    {}.to(device='cpu', dtype=torch.float64) ; {}.double() ; {}.float()
""")
# what may cut, copy, wrap or join
CUTS = listed("""
    {}.detach() ; {}.data ; {}.clone() ; {}.detach().clone() ; {}.clone().detach()
    torch.tensor({}) ; torch.tensor({}, requires_grad=True) ; torch.zeros_like({})
    torch.argmax({}) ; torch.ones_like({}, requires_grad=True) ; {} > 0.3
    torch.where({} > 0.3, {}, {}) ; Variable({}) ; torch.where({} > 0.3, {}, 0.0)
    torch.stack([{}, {}]) ; torch.cat([{}, {}]) ; Parameter({}) ; torch.as_tensor({})
    {}.detach().requires_grad_() ; {}.data.clone() ; torch.cat(({}, {}), dim=0)
    Variable({}.data, requires_grad=True) ; {}.new_zeros(3) ; {}.new_tensor([1.0, 2.0])
    torch.tensor({}.item()) ; torch.tensor({}.tolist()) ; {}.argmax(0)
    torch.tensor([{}.sum(), 1.0]) ; torch.rand_like({})
    torch.as_tensor({}, dtype=torch.float64) ; torch.full_like({}, 2.0, requires_grad=True)
    abs({}) ; sum([{}, {}]) ; torch.empty_like({}).copy_({}) ; max({}.max(), {}.max())
    {}.detach().numpy() ; torch.asarray({})
""")
# parts
INDEXING = listed("""
    {}[0] ; {}[-1] ; {}[1:] ; {}[:, 0] ; {}[..., None] ; {}[None] ; {}[[0, 2]] ; {}[{} > 0.3]
    {}[0, 1] ; {}[torch.tensor([0, 1])] ; {}[::2] ; {}.T[0] ; {}[:, :2]
""")
# arithmetic
NUMBERS = listed("""
    {} + 1 ; {} * 2.5 ; 1 / ({} + 2) ; {} - {} ; {} * {} ; -{} ; 2 ** {} ; {} ** 2 ; {} @ {}
    3 - {} ; {} / 2 ; {} // 2 ; {} + {} ; {} % 2 ; ({} + 1).sum() ; {}.sum() ; {}.mean()
    True * {} ; np.pi * {} ; 1j * {} ; {}.sum() * {} ; ~({} > 0) ; {} + np.float64(1)
    {}.sum().item() * {}
""")
# modules of torch.nn
MODULES = listed("""
    nn.Linear(3, 3) ; nn.ReLU() ; nn.Sequential(nn.Linear(3, 3), nn.Tanh()) ; nn.Linear(3, 1)
    nn.Dropout(0.5) ; nn.Identity() ; nn.LayerNorm(3) ; nn.Linear(3, 3).double() ; nn.Flatten(0)
    nn.Sigmoid() ; nn.Softmax(dim=-1)
""")
# tensors made of sizes and numbers
FACTORIES = listed("""
    torch.zeros(3, 3) ; torch.zeros(3, 3, requires_grad=True)
    torch.ones(3, 3, dtype=torch.float64) ; torch.randn(3, requires_grad=True)
    torch.rand(3, 3, dtype=torch.double, requires_grad=True) ; torch.full((3, 3), 0.5)
    torch.tensor([0.5, 0.2, 0.1]) ; torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    torch.tensor(0.5) ; torch.tensor([1, 2, 0]) ; torch.arange(3)
    torch.arange(9.0).reshape(3, 3) ; torch.full((3,), 2) ; torch.eye(3)
    nn.Parameter(torch.ones(3, 3)) ; torch.randint(0, 3, (3,))
    torch.tensor([True, False, True]) ; torch.arange(3, dtype=torch.float32, requires_grad=True)
    torch.full((3, 3), 2.0, requires_grad=True) ; torch.Tensor(3, 3).zero_()
""")
# three parts of a tensor
UNPACKED = listed("""
    {}.split(1) ; {}.unbind() ; torch.unbind({}) ; torch.split({}, 1) ; {}.chunk(3)
    [{}[0], {}[1], {}[2]] ; {} ; ({}.sin(), {}.detach(), {}) ; torch.tensor_split({}, 3)
""")

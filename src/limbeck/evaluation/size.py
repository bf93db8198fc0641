"""How large a model is: how many numbers it has, and their bytes as saved."""

from torch import nn

from limbeck.students import Student
from limbeck.teachers import OnnxModel, Teacher, TorchModule, Transformers

__all__ = ["parameters_and_bytes"]


def parameters_and_bytes(model: Teacher | Student) -> tuple[int | None, int | None]:
    """How many trainable numbers a model has, and the bytes of its weights as saved.

    Of an ensemble the sum over its members, one in memory at a time. None where a teacher does not
    tell: an estimator has neither, an ONNX file only bytes.
    """
    if isinstance(model, Student):
        return parameters(model.module), saved_bytes(model.module)
    found = [member_size(member, many=len(model.members) > 1) for member in model.members]
    counts, sizes = zip(*found, strict=True)
    return total(counts), total(sizes)


def member_size(teacher: Teacher, *, many: bool) -> tuple[int | None, int | None]:
    if isinstance(teacher, (TorchModule, Transformers)):
        size = parameters(teacher.module), saved_bytes(teacher.module)
        if many:
            teacher.release()
        return size
    if isinstance(teacher, OnnxModel):
        return None, teacher.path.stat().st_size
    return None, None


def parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def saved_bytes(module: nn.Module) -> int:
    """The size of a .safetensors file of these weights and buffers."""
    import safetensors.torch

    state = module.state_dict()
    tensors = {name: value.detach().cpu().contiguous().clone() for name, value in state.items()}
    return len(safetensors.torch.save(tensors))


def total(values: tuple[int | None, ...]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None

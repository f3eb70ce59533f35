# SPDX-License-Identifier: MIT
"""What medaug raises: one class for each code of docs/ERRORS.md, each also what Python calls such an error."""


class MedaugError(Exception):
    """code, where (file, key or argument), message and hint."""

    code = "internal"

    def __init__(self, message, where="", hint=""):
        self.message, self.where, self.hint = message, where, hint
        super().__init__((f"{where}: " if where else "") + message + (f"\n  {hint}" if hint else ""))


class UsageError(MedaugError, ValueError):
    code = "usage"


class ConfigError(MedaugError, ValueError):
    code = "config"


class InvalidArgumentError(MedaugError, ValueError):
    code = "invalid_argument"


class DataError(MedaugError, ValueError):
    code = "data"


class CheckpointError(MedaugError, ValueError):
    code = "checkpoint"


class ResourceError(MedaugError, OSError):
    code = "resource"


class NumericError(MedaugError, ArithmeticError):
    code = "numeric"


class QualityGateError(MedaugError):
    code = "quality_gate"


class StoppedError(MedaugError):
    code = "stopped"


_BY_CODE = {kind.code: kind for kind in MedaugError.__subclasses__()}


def make(code, where, message, hint):
    return _BY_CODE.get(code, MedaugError)(message, where, hint)

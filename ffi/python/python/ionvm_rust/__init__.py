"""The native classes, under the name of the module that earlier versions had them in."""

from ionvm._ionvm import Function, Instruction, IonPackBuilder, Pattern, Value

__all__ = ["Value", "Pattern", "Instruction", "Function", "IonPackBuilder"]

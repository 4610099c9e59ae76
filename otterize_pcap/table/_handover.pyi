from types import ModuleType

COPIES: dict[ModuleType, dict[str, int]]

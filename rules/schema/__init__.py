"""The JSON Schema of rule files, for editors: completion, hover, and the shape of a file. The loader's checks go further."""

from rules.schema.schema import schema

__all__ = ["schema"]

"""Types of the parts of a message, with their bounds: names, ids, numbers, times."""

from typing import Annotated

import msgspec

Name = Annotated[str, msgspec.Meta(pattern=r"^[ -~]{1,200}\Z")]
#: Callers may choose ids, of any characters but surrogates, which UTF-8 cannot carry.
Id = Annotated[str, msgspec.Meta(pattern=r"^[^\ud800-\udfff]{1,1000}\Z")]
Count = Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]
Seconds = Annotated[float, msgspec.Meta(gt=0, le=1e9)]
Limit = Annotated[float, msgspec.Meta(ge=0, le=1e9)]  # seconds; 0 means the default
UnixTime = Annotated[float, msgspec.Meta(ge=0, le=1e11)]

"""What the parts of a message may be: names, ids, numbers, times."""

from typing import Annotated

import msgspec

Name = Annotated[str, msgspec.Meta(pattern=r"^[ -~]{1,200}\Z")]
Id = Annotated[
    str, msgspec.Meta(pattern=r"^[^\ud800-\udfff]{1,1000}\Z")
]  # people choose ids; all but surrogates
Count = Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]
Seconds = Annotated[float, msgspec.Meta(gt=0, le=1e9)]
Limit = Annotated[float, msgspec.Meta(ge=0, le=1e9)]  # 0: the default
UnixTime = Annotated[float, msgspec.Meta(ge=0, le=1e11)]

"""A caller's program that type checkers read and nobody runs: what each call gives, and calls that must be errors.

The type behind `gives` is what a checker must find. A line that ends with `# wrong` must have an error, and no other.
"""

import wasmfleet
from wasmfleet.tasks import digest, text


def gives(_value: object) -> None:
    """Stand in for `reveal_type`, which the test writes here."""


gives(digest.digest(b"abc"))  # str
gives(digest.digest.wasm(b"abc"))  # str
gives(digest.digest.python(b"abc", algorithm="md5"))  # str
gives(digest.digest.delay(b"abc"))  # Result[str]
gives(digest.digest.delay(b"abc").get(timeout=5))  # str
gives(digest.digest.apply_async((b"abc",), lane="wasm").get())  # str
gives(digest.digest.AsyncResult("an id").get())  # str
gives(digest.digest.many([{"data": b"abc"}]))  # Batch[str]
gives(digest.digest.many([digest.digest.item(b"abc")], lane="wasm"))  # Batch[str]
gives([item.value for item in digest.digest.many([])])  # list[str]
gives(digest.digest.options(lane="wasm").delay(b"abc"))  # Result[str]
gives(digest.digest.options(lane="wasm").many([]))  # Batch[str]
gives(digest.digest.s(b"abc"))  # OperationSignature[str]
gives(digest.digest.s(b"abc").set(lane="wasm").delay().get())  # str
gives(digest.digest.item(b"abc"))  # dict[str, Any]
gives(text.hash.delay("abc").get())  # str
gives(wasmfleet.operation("words.count"))  # OperationTask[..., Any]


async def awaited() -> None:
    gives(await digest.digest.aio(b"abc"))  # str
    gives(await digest.digest.options(lane="wasm", expires=3).aio(b"abc"))  # str
    gives(await digest.digest.delay(b"abc").aio())  # str
    async for item in await digest.digest.aio.many([digest.digest.item(b"abc")]):
        gives(item)  # Item[str]


digest.digest("abc")  # wrong
digest.digest.wasm("abc")  # wrong
digest.digest.python(b"abc", algorithm="md6")  # wrong
digest.digest.delay("abc")  # wrong
digest.digest.delay(b"abc", algorithm="md6")  # wrong
digest.digest.delay(dta=b"abc")  # wrong
digest.digest.delay()  # wrong
digest.digest.item("abc")  # wrong
digest.digest.many([b"abc"])  # wrong
digest.digest.many([], lane="gpu")  # wrong
digest.digest.many([], lanee="wasm")  # wrong
digest.digest.options(lane="gpu")  # wrong
digest.digest.options(lanee="wasm")  # wrong
digest.digest.options(lane="wasm").delay("abc")  # wrong
digest.digest.options(lane="wasm").aio("abc")  # wrong
digest.digest.aio("abc")  # wrong
number: int = digest.digest.delay(b"abc").get()  # wrong
text.hash.delay(b"abc")  # wrong

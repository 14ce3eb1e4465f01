"""Read what strangers wrote: count its bytes, values and levels before anything is made of it.

Every process uses it, on message bodies, on stored values and on replies. Nothing here builds objects from bytes that
were not counted first.
"""

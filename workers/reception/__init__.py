"""The main process of a worker: what becomes of a message before its child has it and after the child is done.

It checks a message's shape, sets aside what is no call, and logs the ends that no child can log. No message may end
this process, so nothing here decodes arguments or runs an operation.
"""

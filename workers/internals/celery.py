"""List of the private and undocumented parts of Celery that Wasmfleet depends on.

Public names are listed too if Wasmfleet overrides them or uses them beyond Celery's documentation. The code that
touches the private names is in other files, because a client must not load what only a worker needs:
`celery_app.py` for the app, `celery_results.py` for the store of results, `celery_worker.py` for a main process.
"""

from typing import Final

from wasmfleet.workers.internals.named import Internal, within

READ_IN: Final = "5.7.0"

_REQUESTS: Final = (
    *within(
        "celery.worker.request:Request.",
        ("_body", "", "`hand_over`, `handed_over`: what a child gets in place of the message's body"),
        ("_content_type", "", "`hand_over`: empty, so that the child unpacks the body and decodes nothing"),
        ("_content_encoding", "", "`hand_over`, as `_content_type`"),
        ("_payload", "", "overridden: `follow_ups`, for calls that end in the main process"),
        ("_context", "", "`context`: headers and follow-ups, as the child's task sees them"),
        ("_announce_revoked", "(self, reason, terminated, signum, expired)", "overridden: `end_revoked`"),
        ("acknowledge", "(self)", "overridden: waits until the call's result is stored"),
        ("reject", "(self, requeue=False)", "gives a message back to its queue"),
        ("on_timeout", "(self, soft, timeout)", "overridden: does nothing, `on_failure` follows"),
        (
            "on_failure",
            "(self, exc_info, send_failed_event=True, return_ok=False)",
            "overridden: logs the end first. It logs 'Task handler raised error', which is shortened to a line",
        ),
        ("send_event", "(self, type, **fields)", "overridden: another text for the result"),
        ("_eventer", "", "`is_watched`: whether somebody asked for events"),
        ("name", "", "read from the header `shadow`, in which a batch names its operation for Flower"),
        ("info", "(self, safe=False)", "overridden: leaves out the arguments"),
        ("argsrepr", "", "overridden: leaves out what no client of ours made"),
        ("kwargsrepr", "", "overridden, as `argsrepr`"),
        ("body", "", "overridden: fetches a body that stayed in the broker"),
        ("time_limits", "", "set: hard and soft limit, in seconds; the soft one is always None"),
        ("request_dict", "", "the message's headers"),
        ("message", "", "the message itself"),
        ("time_start", "", "when a child began with the call, in Unix time"),
    ),
    *within(
        "celery.worker.strategy:",
        (
            "default",
            "",
            "makes a request of a message; reads kombu's `message.payload`, and `request.body` never",
        ),
        ("logger", "", "silenced by its name: a line for each call, with its arguments"),
    ),
    *within(
        "celery.app.trace:",
        ("fast_trace_task", "", "unpacks a body without content type as `args, kwargs, embed`, in the child"),
        ("trace_task_ret", "", "the same, for pools of threads"),
        ("logger", "", "silenced by its name: a line for each call, with its result"),
    ),
)

_CONSUMER: Final = (
    *within(
        "celery.worker.consumer.consumer:Consumer.",
        (
            "create_task_handler",
            "(self, promise=<class 'vine.promises.promise'>)",
            "overridden: looks at a message before Celery does",
        ),
        ("apply_eta_task", "(self, task)", "overridden: gives back a call whose body stayed in the broker"),
        (
            "on_unknown_task",
            "(self, body, message, exc)",
            "overridden: a typed error, and no content in the log",
        ),
        ("on_invalid_task", "(self, body, message, exc)", "overridden, as `on_unknown_task`"),
        ("on_unknown_message", "(self, body, message)", "overridden, as `on_unknown_task`"),
        ("on_decode_error", "(self, message, exc)", "overridden, as `on_unknown_task`"),
        (
            "add_task_queue",
            "(self, queue, exchange=None, exchange_type=None, routing_key=None, **options)",
            "a plain-Python worker takes the lane `any` too",
        ),
        ("cancel_task_queue", "(self, queue)", "a plain-Python worker leaves the lane `any` to others"),
        ("call_soon", "(self, p, *args, **kwargs)", "runs a function in the main thread"),
        ("connection_errors", "", "what a lost broker raises"),
        ("pool", "", "the children"),
        ("timer", "", "calls a function repeatedly in the main thread"),
        ("hub", "", "whether the main loop is an event loop"),
        ("controller", "", "knows how many children there are"),
    ),
    *within(
        "celery.bootsteps:StartStopStep.",
        ("start", "(self, parent)", "overridden by our steps of the consumer, as Celery documents it"),
        ("stop", "(self, parent)", "overridden, as `start`"),
        ("terminate", "(self, parent)", "overridden, as `start`"),
    ),
    *within(
        "celery.worker.consumer.tasks:Tasks.",
        (
            "start",
            "(self, c)",
            "sets the consumer's `task_consumer` and `qos`, which are paused and counted down",
        ),
    ),
    *within(
        "celery.worker.state:",
        ("requests", "", "the calls that a worker has, by id"),
        ("revoked", "", "the ids of cancelled calls, oldest first; `update` adds some"),
        ("REVOKES_MAX", "", "how many ids `revoked` holds"),
        ("task_ready", "", "takes a call from the list of those that are under way"),
        ("should_stop", "", "not None while a worker stops"),
        ("should_terminate", "", "not None while a worker stops at once"),
    ),
    *within(
        "celery.",
        ("concurrency.base:BasePool.maintain_pool", "(self, *args, **kwargs)", "looks for dead children"),
        ("app.amqp:Queues.consume_from", "", "the queues that a worker was started with"),
    ),
)

_CONTROL: Final = (
    *within(
        "celery.worker.pidbox:Pidbox.",
        ("start", "(self, c)", "calls `listen` of our node in place of kombu's"),
        ("on_message", "(self, body, message)", "calls `handle_message` of our node in place of kombu's"),
    ),
    *within(
        "celery.worker.control:",
        ("Panel.data", "", "the handlers of remote commands, by name; the node's `handlers`"),
        ("hello", "(state, from_node, revoked=None, **kwargs)", "called; its list of ids is shortened"),
        ("stats", "(state, **kwargs)", "called; the broker's password is taken out of its answer"),
        (
            "revoke",
            "(state, task_id, terminate=False, signal=None, **kwargs)",
            "replaced, but for `terminate`",
        ),
        ("logger", "", "silenced by its name: a line for each question of Flower"),
    ),
    *within(
        "celery.",
        (
            "app.control:Control.revoke",
            "(self, task_id, destination=None, terminate=False, signal='SIGTERM', **kwargs)",
            "overridden: workers that start later know of it too",
        ),
        ("app.control:Control.Mailbox", "", "overridden: a mailbox whose node obeys allowed orders only"),
        ("app.events:Events.dispatcher_cls", "", "overridden: names our dispatcher"),
    ),
    *within(
        "celery.events.dispatcher:EventDispatcher.",
        ("_publish", "", "overridden: `send_once`"),
        ("_outbound_buffer", "", "`forget_unsent`: events that could not be sent"),
    ),
)

_RESULTS: Final = (
    *within(
        "celery.backends.base:Backend.",
        (
            "mark_as_done",
            "(self, task_id, result, request=None, store_result=True, state='SUCCESS')",
            "overridden: a call whose result cannot be stored runs again",
        ),
        (
            "mark_as_failure",
            "(self, task_id, exc, traceback=None, request=None, store_result=True, call_errbacks=True, "
            "state='FAILURE')",
            "overridden, as `mark_as_done`",
        ),
        ("_call_task_errbacks", "(self, request, exc, traceback)", "overridden: `send_errbacks`"),
        ("prepare_exception", "(self, exc, serializer=None)", "overridden: tells the typed error"),
        ("exception_to_python", "(self, exc)", "overridden: makes no class that a stored result names"),
        ("encode", "(self, data)", "overridden: MessagePack for who asked for it"),
        ("decode", "(self, payload)", "overridden: MessagePack or JSON, by the first byte"),
        ("decode_result", "(self, payload)", "overridden: checks what is stored, and opens what is sealed"),
        ("meta_from_decoded", "(self, meta)", "called by our `decode_result`, as by Celery's"),
        ("get_task_meta", "(self, task_id, cache=True)", "looks for a result again after a lost connection"),
        (
            "store_result",
            "(self, task_id, result, state, traceback=None, request=None, **kwargs)",
            "stores the error of a message that is no call",
        ),
    ),
    *within(
        "celery.backends.base:BaseKeyValueStoreBackend.",
        ("_get_task_meta_for", "(self, task_id)", "overridden: `stored_meta`"),
        ("_restore_group", "(self, group_id)", "overridden: `stored_group`"),
        ("_strip_prefix", "(self, key)", "`task_id_of`: the call behind a key"),
    ),
    *within(
        "celery.backends.redis:RedisBackend.",
        ("connparams", "", "`connect_with`: the options of its connections"),
        ("ensure", "(self, fun, args, **policy)", "overridden: tries again for some seconds, not some times"),
        ("retry_policy", "", "the pauses between the tries of `ensure`"),
        ("get", "(self, key)", "overridden: tries again, and reads no more than a result may have"),
        ("set", "(self, key, value, expires=None, **retry_policy)", "overridden: refuses what is too large"),
        ("mark_as_revoked", "", "ends a call that was cancelled while it waited for its child"),
        ("set_chord_size", "(self, group_id, chord_size)", "overridden: a lost store is a typed error"),
        ("apply_chord", "(self, header_result_args, body, **kwargs)", "overridden, as `set_chord_size`"),
        ("_create_client", "(self, **params)", "`another_client`: a client with connections of its own"),
        ("on_task_call", "(self, producer, task_id)", "overridden: does nothing"),
        ("client", "", "the connection to the store; forgotten in a forked child"),
        (
            "_chord_part_return_script",
            "",
            "`renew`: forgotten in a forked child, with the client that it has",
        ),
        ("_chord_cleanup_script", "", "`renew`, as the one before"),
        ("_chord_claim_extend_script", "", "`renew`, as the one before"),
        ("_pending_results", "", "`renew`: the results that the parent of a forked child waits for"),
        ("_pending_messages", "", "`renew`: results that nobody waited for yet"),
        ("ResultConsumer", "", "overridden: a consumer that waits for its store"),
    ),
    *within(
        "celery.backends.redis:ResultConsumer.",
        ("_pubsub", "", "`is_connected`, `forget_connection`: the subscribing connection"),
        ("_locked", "(self)", "`subscribe_all`: one thread at a time uses that connection"),
        ("_ensure", "", "`subscribe_all`: the backend's `ensure`"),
        ("_get_key_for_task", "", "`subscribe_all`: the backend's `get_key_for_task`"),
        ("_reconnect_pubsub", "(self)", "overridden: `reconnect`; subscribes to all of `subscribed_to` anew"),
        ("_pubsub_read", "", "`wake`: threads wait for it while another one reads"),
        ("_reset_sync", "(self)", "`renew`: makes new locks"),
        ("drainer", "", "`renew`: what reads in the background, or in a waiting thread"),
        ("buckets", "", "`renew`: results that iterators of the parent wait for"),
        ("on_message", "", "`renew`: a function of the parent's"),
        ("_pending_unsubscribe", "", "`awaited_keys`: keys that nobody waits for any more"),
        ("subscribed_to", "", "the keys of the calls that somebody waits for"),
        ("start", "(self, initial_task_id, **kwargs)", "overridden: a lost store is waited for"),
        ("on_wait_for_pending", "(self, result, **kwargs)", "overridden: a lost store is no error yet"),
        ("cancel_for", "(self, task_id)", "overridden: does nothing while the interpreter ends"),
        ("on_state_change", "(self, meta, message)", "overridden: a result is that of its channel"),
        ("drain_events", "(self, timeout=None)", "overridden: a lost store is waited for"),
    ),
    Internal("celery.result:result_from_tuple", "(r, app=None)", "tries whether stored children can be read"),
)

_CALLS: Final = (
    *within(
        "celery.app.task:Task.",
        (
            "apply_async",
            "(self, args=None, kwargs=None, task_id=None, producer=None, link=None, link_error=None, shadow=None, "
            "**options)",
            "overridden: checks arguments; the names of its positional options are repeated in `calls/task.py`",
        ),
        ("map", "(self, it)", "overridden: refused"),
        ("starmap", "(self, it)", "overridden: refused"),
        ("chunks", "(self, it, n)", "overridden: refused"),
        ("Request", "", "set: names our request's class"),
        (
            "signature_from_request",
            "(self, request=None, args=None, kwargs=None, queue=None, **extra_options)",
            "sends a message on under its own id",
        ),
    ),
    *within(
        "celery.canvas:Signature.",
        (
            "set",
            "(self, immutable=None, **options)",
            "overridden: checks options, and sets the queue of a lane",
        ),
        ("delay", "(self, *partial_args, **partial_kwargs)", "overridden: typed"),
        (
            "apply_async",
            "(self, args=None, kwargs=None, route_name=None, **options)",
            "overridden: typed",
        ),
    ),
    *within(
        "celery.result:AsyncResult.",
        (
            "get",
            "",
            "overridden: waits within tasks of other apps; its third argument by place is `interval`",
        ),
        ("wait", "", "overridden: the same as `get`"),
    ),
    *within(
        "celery.",
        (
            "app.base:Celery.send_task",
            "",
            "overridden: a follow-up that cannot be sent lets its call run again",
        ),
        (
            "canvas:Signature.from_dict",
            "(cls, d, app=None)",
            "makes calls of mappings; follow-ups are checked before",
        ),
        ("app.base:Celery._after_fork", "(self)", "`renew_after_fork`: forgets the pools of connections"),
        ("bin.celery:celery", "", "Celery's command line, to which Flower's command is added"),
        ("bin.celery:main", "() -> int", "runs it"),
    ),
)

INTERNALS: Final[tuple[Internal, ...]] = (*_REQUESTS, *_CONSUMER, *_CONTROL, *_RESULTS, *_CALLS)

;; Answers with its own request, frame by frame: who sends a frame chooses what is read of the reply.
(module
  (@custom "wasmfleet.operations" "abi 1\nmirror(data: bytes)\n")
  (memory (export "memory") 2)
  (func (export "reserve") (param $size i32) (result i32)
    (drop (memory.grow (i32.add (i32.shr_u (local.get $size) (i32.const 16)) (i32.const 1))))
    (i32.const 1024))
  (func (export "call") (param $operation i32) (param $size i32) (result i64)
    (i64.or (i64.const 0x40000000000) (i64.extend_i32_u (local.get $size)))))

;; One operation, bytes in and bytes out: ASCII letters in upper case.
(module
  (@custom "wasmfleet.operations" "abi 1\nshout\n")
  (memory (export "memory") 1)
  (func (export "reserve") (param $size i32) (result i32)
    ;; A fresh memory is one page; grow by what the request needs.
    (drop (memory.grow (i32.shr_u (i32.add (local.get $size) (i32.const 65535)) (i32.const 16))))
    (i32.const 65536))
  (func (export "call") (param $operation i32) (param $size i32) (result i64)
    (local $at i32) (local $end i32) (local $letter i32)
    (local.set $at (i32.const 65536))
    (local.set $end (i32.add (local.get $at) (local.get $size)))
    (block $done
      (loop $next
        (br_if $done (i32.eq (local.get $at) (local.get $end)))
        (local.set $letter (i32.load8_u (local.get $at)))
        (if (i32.lt_u (i32.sub (local.get $letter) (i32.const 97)) (i32.const 26))
          (then (i32.store8 (local.get $at) (i32.sub (local.get $letter) (i32.const 32)))))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br $next)))
    (i64.or (i64.shl (i64.const 65536) (i64.const 32)) (i64.extend_i32_u (local.get $size)))))

;; A guest that does everything wrong, one operation each.
(module
  (@custom "wasmfleet.operations" "abi 1\necho\nspin\ngrow\nfive_gib\nrecurse\nbad_pointer\nbad_length\nunreachable\nload_outside\ndivide\nbad_call\nnot_messagepack()\nno_frames()\nbad_frame()\nunknown_code()\nextension()\nno_end()\n")
  (memory (export "memory") 2)
  (table 2 funcref)
  (type $none (func))
  (data (i32.const 0) "\01\00\00\00\c1")                     ;; a frame of one byte that MessagePack never uses
  (data (i32.const 16) "\ff\ff\ff\7f\00")                    ;; a frame longer than the reply
  (data (i32.const 32) "\07\00\00\00\93\01\a2No\a2no")       ;; [1, "No", "no"]: too few elements
  (data (i32.const 48) "\09\00\00\00\94\01\a2No\a2no\c0")    ;; [1, "No", "no", nil]: a code nobody knows
  (data (i32.const 64) "\05\00\00\00\92\00\d4\05\00")        ;; [0, an extension type]
  (func $reserve (export "reserve") (param i32) (result i32)
    (drop (memory.grow (i32.add (i32.shr_u (local.get 0) (i32.const 16)) (i32.const 1))))
    (i32.const 1024))
  (func $deeper (param i32) (result i32)
    (i32.add (i32.const 1) (call $deeper (i32.add (local.get 0) (i32.const 1)))))
  (func $answer (param $at i32) (param $size i32) (result i64)
    (i64.or (i64.shl (i64.extend_i32_u (local.get $at)) (i64.const 32)) (i64.extend_i32_u (local.get $size))))
  (func (export "call") (param $operation i32) (param $size i32) (result i64)
    (if (i32.eqz (local.get $operation)) (then (return (call $answer (i32.const 1024) (local.get $size)))))
    (if (i32.eq (local.get $operation) (i32.const 1)) (then (loop $spin (br $spin))))
    (if (i32.eq (local.get $operation) (i32.const 2))
      (then (loop $grow
        (br_if $grow (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) (unreachable)))
    (if (i32.eq (local.get $operation) (i32.const 3))
      (then (if (i32.eq (memory.grow (i32.const 81920)) (i32.const -1)) (then unreachable))))
    (if (i32.eq (local.get $operation) (i32.const 4)) (then (drop (call $deeper (i32.const 0)))))
    (if (i32.eq (local.get $operation) (i32.const 5)) (then (return (call $answer (i32.const 0xfffffff0) (i32.const 16)))))
    (if (i32.eq (local.get $operation) (i32.const 6)) (then (return (call $answer (i32.const 0) (i32.const 0xffffffff)))))
    (if (i32.eq (local.get $operation) (i32.const 7)) (then unreachable))
    (if (i32.eq (local.get $operation) (i32.const 8)) (then (drop (i32.load (i32.const 0x7fffffff)))))
    (if (i32.eq (local.get $operation) (i32.const 9)) (then (drop (i32.div_u (i32.const 1) (i32.const 0)))))
    (if (i32.eq (local.get $operation) (i32.const 10)) (then (call_indirect (type $none) (i32.const 1))))
    (if (i32.eq (local.get $operation) (i32.const 11)) (then (return (call $answer (i32.const 0) (i32.const 5)))))
    (if (i32.eq (local.get $operation) (i32.const 12)) (then (return (call $answer (i32.const 0) (i32.const 0)))))
    (if (i32.eq (local.get $operation) (i32.const 13)) (then (return (call $answer (i32.const 16) (i32.const 5)))))
    (if (i32.eq (local.get $operation) (i32.const 14)) (then (return (call $answer (i32.const 48) (i32.const 13)))))
    (if (i32.eq (local.get $operation) (i32.const 15)) (then (return (call $answer (i32.const 64) (i32.const 9)))))
    (if (i32.eq (local.get $operation) (i32.const 16)) (then (loop $end (br $end))))
    (unreachable)))

;; tries: to flood the store: a resource id of 900 kB
;; stopped by: `limits.sample_bytes`
;; fails: sample_bytes its samples are larger than limits.sample_bytes allows

;;; poll
(drop (memory.grow (i32.const 15)))
(memory.fill (i32.const 65536) (i32.const 97) (i32.const 900000))
(i32.store8 (i32.const 1048) (i32.const 1))
(i32.store (i32.const 1052) (i32.const 65536)) (i32.store (i32.const 1056) (i32.const 900000))
(call $ok (i32.const 1024) (i32.const 1))

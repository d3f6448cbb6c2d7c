;; tries: to overflow the stack of whoever reads its samples: a metadata key of a hundred names with dots between
;; stopped by: the check of every sample
;; sample: metadata is no key: one to 8 names with dots between

;;; items
(global $at (mut i32) (i32.const 8192))

;;; poll
(loop $more
  (i32.store16 (global.get $at) (i32.const 0x2e61))
  (global.set $at (i32.add (global.get $at) (i32.const 2)))
  (br_if $more (i32.lt_u (global.get $at) (i32.const 8392))))
(i32.store (i32.const 1060) (i32.const 4096)) (i32.store (i32.const 1064) (i32.const 1))
(i32.store (i32.const 4096) (i32.const 8192)) (i32.store (i32.const 4100) (i32.const 199))
(i32.store8 (i32.const 4104) (i32.const 3))
(call $ok (i32.const 1024) (i32.const 1))

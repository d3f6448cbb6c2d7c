;; tries: to have the host make twenty thousand objects of one metadata key
;; stopped by: `limits.sample_bytes`, against which each object counts that a key's dots make
;; fails: sample_bytes its samples are larger than limits.sample_bytes allows

;;; items
(global $at (mut i32) (i32.const 8192))

;;; poll
(loop $more
  (i32.store16 (global.get $at) (i32.const 0x2e61))
  (global.set $at (i32.add (global.get $at) (i32.const 2)))
  (br_if $more (i32.lt_u (global.get $at) (i32.const 48192))))
(i32.store (i32.const 1060) (i32.const 4096)) (i32.store (i32.const 1064) (i32.const 1))
(i32.store (i32.const 4096) (i32.const 8192)) (i32.store (i32.const 4100) (i32.const 39999))
(i32.store8 (i32.const 4104) (i32.const 3))
(call $ok (i32.const 1024) (i32.const 1))

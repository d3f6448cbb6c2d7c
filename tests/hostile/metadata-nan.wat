;; tries: to put NaN into a sample's metadata, which a JSON text cannot say
;; stopped by: the check of every sample
;; sample: metadata not finite

;;; items
(data (i32.const 2048) "key")

;;; poll
(i32.store (i32.const 1060) (i32.const 4096)) (i32.store (i32.const 1064) (i32.const 1))
(i32.store (i32.const 4096) (i32.const 2048)) (i32.store (i32.const 4100) (i32.const 3))
(i32.store8 (i32.const 4104) (i32.const 2)) (f64.store (i32.const 4112) (f64.const nan))
(call $ok (i32.const 1024) (i32.const 1))

;; tries: to report an infinite volume
;; stopped by: the check of every sample
;; sample: not_finite is not finite

;;; poll
(i32.store8 (i32.const 1032) (i32.const 2)) (f64.store (i32.const 1040) (f64.const -inf))
(call $ok (i32.const 1024) (i32.const 1))

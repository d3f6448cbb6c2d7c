;; tries: to put NaN into a store that cannot compare it, and a JSON text that cannot say it
;; stopped by: the check of every sample
;; sample: not_finite is not finite

;;; poll
(i32.store8 (i32.const 1032) (i32.const 2)) (f64.store (i32.const 1040) (f64.const nan))
(call $ok (i32.const 1024) (i32.const 1))

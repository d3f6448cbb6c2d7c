;; tries: to report under a meter that it did not declare: another guest's
;; stopped by: the check of every sample
;; sample: undeclared_meter did not declare the meter "mem.max"

;;; items
(data (i32.const 2048) "mem.max")

;;; poll
(i32.store (i32.const 1024) (i32.const 2048)) (i32.store (i32.const 1028) (i32.const 7))
(call $ok (i32.const 1024) (i32.const 1))

;; tries: to report for another tenant's instance
;; stopped by: the check of every sample: its resource is the polled instance's, or one of its devices
;; sample: foreign_resource is not of the polled instance

;;; items
(data (i32.const 2048) "00000000-0000-4000-8000-000000000001")

;;; poll
(i32.store8 (i32.const 1048) (i32.const 1))
(i32.store (i32.const 1052) (i32.const 2048)) (i32.store (i32.const 1056) (i32.const 36))
(call $ok (i32.const 1024) (i32.const 1))

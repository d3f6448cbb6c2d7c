;; tries: to flood the queue: as many samples as the host would still copy
;; stopped by: `limits.samples`; none of them is taken
;; fails: samples it returned more samples than limits.samples allows

;;; poll
(call $ok (i32.const 1024) (i32.const 1200))

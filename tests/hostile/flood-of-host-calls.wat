;; tries: to keep the host busy: one cheap call after another
;; stopped by: epochs; a call's own time counts as the guest's
;; fails: cpu_time it computed for longer than limits.cpu allows
;; grants: instance
;; cpu: 1ms
;; polls: 500

;;; imports
(import "nephoscope:meter/instance@0.1.0" "taken-at" (func $taken (result i64)))

;;; poll
(loop $again (drop (call $taken)) (br $again)) unreachable

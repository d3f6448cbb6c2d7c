;; tries: to read what it was not granted
;; stopped by: its imports are compared with its grants, and nothing else is linked
;; grants: memory
;; refused: imports domain-xml, but its grants are memory

;;; imports
(import "nephoscope:meter/domain-xml@0.1.0" "get" (func $get (param i32)))

;;; poll
(call $get (i32.const 8192)) unreachable

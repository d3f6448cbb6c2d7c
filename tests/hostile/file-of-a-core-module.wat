;; tries: to be a core module, of no component
;; stopped by: its sections are read before it is compiled
;; refused: it is a core module

;;; component
(module (func (export "poll")))

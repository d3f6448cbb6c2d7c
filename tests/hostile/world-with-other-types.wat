;; tries: to export a pollster whose functions have other types
;; stopped by: types are compared before any function is called
;; refused: failed while it was asked for its meters: it trapped: expected 1-tuple, found 0-tuple

;;; component
(component
  (core module $m (func (export "poll")))
  (core instance $i (instantiate $m))
  (func $poll (canon lift (core func $i "poll")))
  (instance $p (export "poll" (func $poll)) (export "meters" (func $poll)))
  (export "nephoscope:meter/pollster@0.1.0" (instance $p)))

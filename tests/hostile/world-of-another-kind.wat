;; tries: to be a component of another world
;; stopped by: its exports are read before it is compiled
;; refused: is a component, but no guest

;;; component
(component
  (core module $m (func (export "run")))
  (core instance $i (instantiate $m))
  (func (export "run") (canon lift (core func $i "run"))))

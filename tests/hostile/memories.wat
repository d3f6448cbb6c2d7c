;; tries: to have many memories
;; stopped by: the pool, which has one for a component
;; refused: is no WebAssembly component

;;; component
(component
  (core module $m (memory 1) (memory 1))
  (core instance (instantiate $m))
  (component $p)
  (instance $i (instantiate $p))
  (export "nephoscope:meter/pollster@0.1.0" (instance $i)))

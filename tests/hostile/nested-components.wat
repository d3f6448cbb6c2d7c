;; tries: to be a component in a component, forty deep
;; stopped by: a look at its sections before it is compiled
;; refused: is no WebAssembly component

;;; component
(component (component (component (component (component (component (component (component (component (component
(component (component (component (component (component (component (component (component (component (component
))))) ))))) ))))) )))))

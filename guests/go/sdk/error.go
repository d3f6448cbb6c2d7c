package nephoscope

import types "bindings/nephoscope_meter_types"

// Error is one of the contract's. Poll may return it wrapped or not; any other error is reported as one that failed.
type Error struct {
	Reason types.Error
}

// What a reading may give in place of a value, for errors.Is.
var (
	ErrNotFound    = Error{types.MakeErrorNotFound()}
	ErrShutOff     = Error{types.MakeErrorShutOff()}
	ErrUnsupported = Error{types.MakeErrorUnsupported()}
	ErrNoData      = Error{types.MakeErrorNoData()}
)

// Permanent is an error after which this guest never polls the instance again.
func Permanent(text string) Error {
	return Error{types.MakeErrorPermanent(text)}
}

func (e Error) Error() string {
	switch e.Reason.Tag() {
	case types.ErrorNotFound:
		return "the instance vanished"
	case types.ErrorShutOff:
		return "the instance is shut off"
	case types.ErrorUnsupported:
		return "not implemented by this hypervisor"
	case types.ErrorNoData:
		return "no value at present"
	case types.ErrorPermanent:
		return e.Reason.Permanent()
	default:
		return e.Reason.Failed()
	}
}

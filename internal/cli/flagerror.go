package cli

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// flagError says what is wrong with a flag of a command line, and what it wants.
func flagError(cmd *cobra.Command, err error) error {
	var none *pflag.ValueRequiredError
	var unknown *pflag.NotExistError
	var bad *pflag.InvalidValueError
	switch {
	case errors.As(err, &none):
		f := none.GetFlag()
		name, usage := pflag.UnquoteUsage(f)
		return usagef("--%s has no value; want --%s %s: %s", f.Name, f.Name, strings.ToUpper(name), usage)
	case errors.As(err, &unknown):
		given := "--" + unknown.GetSpecifiedName()
		if unknown.GetSpecifiedShortnames() != "" {
			given = given[1:]
		}
		if near := nearFlags(cmd, unknown.GetSpecifiedName()); len(near) > 0 {
			return usagef("%s has no flag %s; did you mean %s?", cmd.CommandPath(), given, strings.Join(near, " or "))
		}
		return usagef("%s has no flag %s; '%s --help' lists those it has", cmd.CommandPath(), given, cmd.CommandPath())
	case errors.As(err, &bad):
		f := bad.GetFlag()
		return usagef("--%s %s: %s", f.Name, bad.GetValue(), wanted(f.Value.Type(), bad.Unwrap()))
	}
	return usageError{err}
}

// wanted is why a value is none of a type.
func wanted(kind string, err error) string {
	if errors.Is(err, strconv.ErrRange) {
		return "it is out of range"
	}
	switch kind {
	case "int", "int32", "int64":
		return "want a whole number"
	case "uint", "uint32", "uint64":
		return "want a whole number, 0 or more"
	case "float64":
		return "want a number"
	case "bool":
		return "want true or false"
	case "duration":
		return "want a duration, as in 1m30s or 500ms"
	}
	return fmt.Sprint(err)
}

// nearFlags are the flags of a command that a name may be meant for: those it begins,
// or else is one slip of the finger away from.
func nearFlags(cmd *cobra.Command, name string) []string {
	var begun, slips []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		switch {
		case f.Hidden || len(name) < 2:
		case strings.HasPrefix(f.Name, name):
			begun = append(begun, "--"+f.Name)
		case slip(f.Name, name):
			slips = append(slips, "--"+f.Name)
		}
	})
	if len(begun) > 0 {
		return begun
	}
	return slips
}

// slip reports whether two words differ in one letter that is missing, too many, or
// another, or in two that changed places.
func slip(a, b string) bool {
	for len(a) > 0 && len(b) > 0 && a[0] == b[0] {
		a, b = a[1:], b[1:]
	}
	for len(a) > 0 && len(b) > 0 && a[len(a)-1] == b[len(b)-1] {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	return len(a)+len(b) == 1 || len(a) == 1 && len(b) == 1 || len(a) == 2 && len(b) == 2 && a[0] == b[1] && a[1] == b[0]
}

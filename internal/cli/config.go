package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"bucketscope/internal/units"
	"bucketscope/tui"
)

// settings are the flags that a config file and the environment may set, too: how
// the screen looks and behaves. What is played is the command line's alone, so
// that a command means the same on every machine.
var settings = []struct {
	name string
	// check tells what is wrong with the value.
	check func(s *screenFlags) string
}{
	{"theme", func(s *screenFlags) string {
		switch s.theme {
		case "auto", "dark", "light", "mono":
			return ""
		}
		return "want auto, dark, light or mono"
	}},
	{"fps", func(s *screenFlags) string {
		if s.fps < 1 || s.fps > 60 {
			return "want 1 to 60"
		}
		return ""
	}},
	{"pace", func(s *screenFlags) string {
		if !(s.pace >= 0 && s.pace <= 1e6) {
			return "want 0 to 1000000 runs per second, 0 for flat out"
		}
		return ""
	}},
	{"ascii", nil},
	{"si", nil},
	{"mouse", nil},
	{"folder", func(s *screenFlags) string {
		if i, err := os.Stat(s.folder); err != nil || !i.IsDir() {
			return "want a folder that is there"
		}
		return ""
	}},
}

// environment is the variable that sets a setting.
func environment(name string) string { return "BUCKETSCOPE_" + strings.ToUpper(name) }

// settle completes the flags that were not given with the environment and the
// config file, in this order, checks them, and answers the keys.
func (s *screenFlags) settle(cmd *cobra.Command) (tui.Keymap, error) {
	file, err := readConfig(configPath())
	if err != nil {
		return nil, err
	}
	for _, x := range settings {
		flag := cmd.Flags().Lookup(x.name)
		if flag == nil {
			continue
		}
		source, err := file.apply(flag)
		if err != nil {
			return nil, err
		}
		if x.check == nil {
			continue
		}
		if why := x.check(s); why != "" {
			return nil, usagef("%s %s: %s", source, flag.Value, why)
		}
	}
	keys, err := tui.Rebind(file.keys)
	if err != nil {
		return nil, usageError{err}
	}
	return keys, nil
}

// apply gives a flag its value, unless the command line did, and answers where
// that is from, as errors begin.
func (c *config) apply(flag *pflag.Flag) (source string, err error) {
	if flag.Changed {
		return "--" + flag.Name, nil
	}
	value, source := os.Getenv(environment(flag.Name)), environment(flag.Name)+"="
	if value == "" {
		e, ok := c.values[flag.Name]
		if !ok {
			return "--" + flag.Name, nil
		}
		value, source = e.value, e.where+": "+flag.Name+" ="
	}
	if err := flag.Value.Set(value); err != nil {
		return "", usagef("%s %s: want %s", source, value, map[string]string{"bool": "true or false", "int": "a whole number", "float64": "a number"}[flag.Value.Type()])
	}
	return source, nil
}

// config is what a config file says.
type config struct {
	values map[string]entry
	keys   []tui.KeyBinding
}

// entry is a value with its line.
type entry struct{ value, where string }

// readConfig reads a config file; one that is not there says nothing. The errors
// name the line.
//
//	# a remark
//	theme = dark
//	[keys]
//	freeze = space u
func readConfig(path string) (*config, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return &config{}, nil
	}
	if err != nil {
		return nil, usagef("the config file cannot be read: %w", err)
	}
	defer func() { _ = f.Close() }() // nothing was written
	return parseConfig(f, path)
}

// parseConfig reads a config file that is open.
func parseConfig(r io.Reader, path string) (*config, error) {
	c := &config{values: map[string]entry{}}
	section := ""
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		where := fmt.Sprintf("%s:%d", path, n)
		line := strings.TrimSpace(strings.TrimPrefix(lines.Text(), "\ufeff"))
		switch {
		case line == "" || line[0] == '#':
			continue
		case line == "[keys]":
			section = line
			continue
		case line[0] == '[' && !strings.Contains(line, "="):
			return nil, usagef("%s: there is no section %s; there is [keys]", where, line)
		}
		name, value, ok := strings.Cut(line, "=")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		if value == "=" || strings.HasPrefix(value, "= ") { // the key =, as in zoom-reset = =
			ok = true
		}
		if !ok || name == "" {
			return nil, usagef("%s: %q is no setting: want name = value", where, line)
		}
		if section != "" {
			c.keys = append(c.keys, tui.KeyBinding{Name: name, Keys: strings.Fields(value), Where: where})
			continue
		}
		if len(value) >= 2 && value[0] == '"' && value[len(value)-1] == '"' {
			value = value[1 : len(value)-1]
		}
		if old, ok := c.values[name]; ok {
			return nil, usagef("%s: %s is already set at %s: leave one of both", where, name, old.where)
		}
		if !isSetting(name) {
			return nil, usagef("%s: there is no setting %q; there are %s, and keys below [keys]", where, name, settingNames())
		}
		c.values[name] = entry{value, where}
	}
	if err := lines.Err(); err != nil {
		return nil, usagef("the config file %s cannot be read: %w", path, err)
	}
	return c, nil
}

func isSetting(name string) bool {
	for _, x := range settings {
		if x.name == name {
			return true
		}
	}
	return false
}

func settingNames() string {
	var names []string
	for _, x := range settings {
		names = append(names, x.name)
	}
	return strings.Join(names, ", ")
}

// configState says whether the config file is there and can be meant.
func configState() string {
	if _, err := os.Stat(configPath()); errors.Is(err, fs.ErrNotExist) {
		return "not there; 'bucketscope config' prints one"
	}
	var s screenFlags
	cmd := &cobra.Command{}
	s.add(cmd)
	if _, err := s.settle(cmd); err != nil {
		return "! " + err.Error()
	}
	c, err := readConfig(configPath())
	if err != nil {
		return "! " + err.Error()
	}
	return units.Plural(len(c.values), "setting") + ", " + units.Plural(len(c.keys), "key binding")
}

func (a *app) configCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "config",
		Short: "Print the config in force, as a config file with every setting and key",
		Long: `config prints what is in force as a config file: what the file or the environment
sets stands as it is, and everything else as a remark with its default. So its
output, written to the path in its first line, changes nothing until a remark is
made a line.

A flag comes before the environment (BUCKETSCOPE_THEME, BUCKETSCOPE_FPS, ...), and
that before the file.`,
		Example: "  bucketscope config\n  bucketscope config > config.new",
		Args:    noArgs,
		RunE: func(*cobra.Command, []string) error {
			var b strings.Builder
			if err := printConfig(&b); err != nil {
				return err
			}
			_, err := a.out.Write([]byte(b.String()))
			return err
		},
	}
}

// printConfig prints the config in force.
func printConfig(b *strings.Builder) error {
	var s screenFlags
	cmd := &cobra.Command{}
	s.add(cmd)
	if _, err := s.settle(cmd); err != nil {
		return err
	}
	c, err := readConfig(configPath())
	if err != nil {
		return err
	}
	fmt.Fprintf(b, "# %s\n# Flags come before the environment, and that before this file.\n\n", configPath())
	for _, x := range settings {
		flag := cmd.Flags().Lookup(x.name)
		_, usage := pflag.UnquoteUsage(flag)
		fmt.Fprintf(b, "# %s (--%s, %s)\n", usage, x.name, environment(x.name))
		e, set := c.values[x.name]
		switch {
		case os.Getenv(environment(x.name)) != "":
			fmt.Fprintf(b, "# from the environment; default %s\n%s = %s\n\n", flag.DefValue, x.name, flag.Value)
		case set:
			fmt.Fprintf(b, "# default %s\n%s = %s\n\n", flag.DefValue, x.name, e.value)
		default:
			fmt.Fprintf(b, "# %s = %s\n\n", x.name, flag.DefValue)
		}
	}
	fmt.Fprint(b, "# Keys, separated by blanks: a character, or up down left right pgup pgdown home\n"+
		"# end tab enter esc space backspace delete insert f1 to f12, with ctrl+, alt+ or\n# shift+ before it. Without a key an action is in the palette alone.\n[keys]\n")
	changed := map[string][]string{}
	for _, k := range c.keys {
		changed[k.Name] = k.Keys
	}
	for _, k := range tui.KeyBindings() {
		line := k.Name + " = " + strings.Join(k.Keys, " ")
		fmt.Fprintf(b, "# %s\n", k.Meaning)
		if keys, ok := changed[k.Name]; ok {
			fmt.Fprintf(b, "# default %s\n%s = %s\n", line, k.Name, strings.Join(keys, " "))
			continue
		}
		fmt.Fprintf(b, "# %s\n", line)
	}
	return nil
}

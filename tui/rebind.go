package tui

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// KeyBinding is a line of a config file that binds keys.
type KeyBinding struct {
	// Name is that of the action, with menu-, line-, list-, help- or always- before it
	// where one action has keys of its own there.
	Name string
	// Keys as Bubble Tea names them; none leaves the action to the palette.
	Keys []string
	// Where it stands, for what is wrong with it; Meaning is what it does.
	Where, Meaning string
}

// KeyBindings are the bindings without a config file.
func KeyBindings() []KeyBinding {
	out := make([]KeyBinding, len(keymap))
	for i, b := range keymap {
		out[i] = KeyBinding{Name: keymap.name(i), Keys: slices.Clone(b.keys), Meaning: b.long}
	}
	return out
}

// name is what a config file calls the ith binding: the action's name, for the
// first of several bindings of one action, else with its scope before it.
func (m Keymap) name(i int) string {
	b := &m[i]
	name := actionNames[b.action]
	if slices.IndexFunc(m, func(o binding) bool { return o.action == b.action }) == i {
		return name
	}
	switch b.scope {
	case inMenus, inTabs:
		return "menu-" + name
	case inLine:
		return "line-" + name
	case inHelp:
		return "help-" + name
	case inList:
		return "list-" + name
	}
	return "always-" + name
}

// contexts are the scopes in which a key must mean one thing.
var contexts = []struct {
	where scope
	name  string
}{
	{onScreens, "on the screens"}, {inHelp, "in help"}, {inMenus | inTabs, "in menus"}, {inLine, "in a line that is typed"}, {inList, "in lists"},
}

// Rebind is the key map with some bindings changed. The errors name the line, and
// what is wrong with it.
func Rebind(changes []KeyBinding) (Keymap, error) {
	m := slices.Clone(keymap)
	where := make([]string, len(m)) // the change of each binding, if any
	for _, c := range changes {
		i, ok := bindingNames()[c.Name]
		if !ok {
			return nil, fmt.Errorf("%s: there is no action %q%s; 'bucketscope config' lists them", c.Where, c.Name, meant(c.Name))
		}
		if where[i] != "" {
			return nil, fmt.Errorf("%s: the keys of %s are already set at %s: leave one of both", c.Where, c.Name, where[i])
		}
		where[i] = c.Where
		if len(c.Keys) == 0 && (m[i].action == back || m[i].action == quit) {
			return nil, fmt.Errorf("%s: %s needs a key: without one nothing would lead out", c.Where, c.Name)
		}
		var keys, shown []string
		for _, k := range c.Keys {
			if why := badKey(k); why != "" {
				return nil, fmt.Errorf("%s: %s = %s: %s", c.Where, c.Name, strings.Join(c.Keys, " "), why)
			}
			keys, shown = append(keys, k), append(shown, shownKey(k))
			if r, n := utf8.DecodeRuneInString(k); n == len(k) && r >= 'A' && r <= 'Z' { // how some terminals report it
				keys = append(keys, "shift+"+strings.ToLower(k))
			}
		}
		m[i].keys, m[i].shown = keys, strings.Join(shown, " ")
	}
	return m, m.conflict(where)
}

// conflict tells of a key that means two things in one place.
func (m Keymap) conflict(where []string) error {
	for _, c := range contexts {
		seen := map[string]int{}
		for i, b := range m {
			if b.scope&c.where == 0 {
				continue
			}
			for _, k := range b.keys {
				j, ok := seen[k]
				if !ok || m[j].action == b.action {
					seen[k] = i
					continue
				}
				if where[i] == "" { // blame the line that was written
					i, j = j, i
				}
				other := m.name(j)
				if where[j] != "" {
					other += " (" + where[j] + ")"
				}
				return fmt.Errorf("%s: %s = %s: %s, that key is %s's: give one of both another", where[i], m.name(i), k, c.name, other)
			}
		}
	}
	return nil
}

// meant is the name that was meant, perhaps.
func meant(name string) string {
	for i := range keymap {
		if n := keymap.name(i); strings.HasPrefix(n, name) || strings.HasPrefix(name, n) {
			return fmt.Sprintf(" (%s is one)", n)
		}
	}
	return ""
}

// namedKeys are those that are not a character, and how they are shown.
var namedKeys = map[string]string{
	"up": "↑", "down": "↓", "left": "←", "right": "→", "pgup": "pgup", "pgdown": "pgdn", "home": "home", "end": "end", "tab": "tab",
	"enter": "enter", "esc": "esc", "space": "space", "backspace": "backspace", "delete": "delete", "insert": "insert",
	"f1": "f1", "f2": "f2", "f3": "f3", "f4": "f4", "f5": "f5", "f6": "f6", "f7": "f7", "f8": "f8", "f9": "f9", "f10": "f10",
	"f11": "f11", "f12": "f12",
}

// splitKey takes ctrl+, alt+ and shift+ off a key.
func splitKey(k string) (before, rest string) {
	rest = k
	for _, mod := range []string{"ctrl+", "alt+", "shift+"} {
		if r, ok := strings.CutPrefix(rest, mod); ok && r != "" {
			before, rest = before+mod, r
		}
	}
	return before, rest
}

// badKey tells why something is no key.
func badKey(k string) string {
	_, rest := splitKey(k)
	if _, ok := namedKeys[rest]; ok {
		return ""
	}
	if r, n := utf8.DecodeRuneInString(rest); n == len(rest) && r > ' ' && r != utf8.RuneError {
		return ""
	}
	return fmt.Sprintf("there is no key %q; a key is a character, or one of up down left right pgup pgdown home end tab enter esc space "+
		"backspace delete insert f1 to f12, with ctrl+, alt+ or shift+ before it in this order", k)
}

// shownKey is a key as people read it.
func shownKey(k string) string {
	before, rest := splitKey(k)
	if name, ok := namedKeys[rest]; ok {
		rest = name
	}
	return before + rest
}

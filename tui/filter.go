package tui

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"
)

// A filter is words that must all hold:
//
//	type:miss  usage:uniform  reason:cap_full     a property
//	run=87  session=1  size>=4MiB  key<64KiB      a number; = != < <= > >=
//	decode                                        any text of the row
//	!usage:uniform                                not
type filter[R any] struct {
	text  string
	terms []term[R]
}

// term is a word of a filter.
type term[R any] struct {
	not  bool
	hold func(*R) bool
}

// property is what the words of a filter may ask of a row: a number, or words.
type property[R any] struct {
	name string
	// number is one of the row's, if it has one; bytes is that it is a size.
	number func(*R) (n int64, ok bool)
	bytes  bool
	// is reports whether one of the words holds.
	is    func(r *R, word string) bool
	words []string
}

// language is the properties of a kind of row.
type language[R any] struct {
	properties []property[R]
	// has reports whether the row's text has a word.
	has func(r *R, word string) bool
}

// help is what may be typed.
func (l *language[R]) help() string {
	var names []string
	for _, p := range l.properties {
		if p.number != nil {
			names = append(names, p.name+"=")
		} else {
			names = append(names, p.name+":")
		}
	}
	return strings.Join(names, " ")
}

// filterError is a word that cannot be meant.
type filterError struct {
	word string
	why  string
}

func (e *filterError) Error() string { return e.word + ": " + e.why }

// parse reads a filter; the error is a *filterError.
func (l *language[R]) parse(text string) (filter[R], error) {
	f := filter[R]{text: strings.TrimSpace(text)}
	for _, word := range strings.FieldsFunc(text, unicode.IsSpace) {
		rest, not := strings.CutPrefix(word, "!")
		hold, why := l.word(rest)
		if why != "" {
			return filter[R]{}, &filterError{word, why}
		}
		f.terms = append(f.terms, term[R]{not, hold})
	}
	return f, nil
}

// word reads one word, or tells why it cannot be meant.
func (l *language[R]) word(word string) (hold func(*R) bool, why string) {
	if word == "" {
		return nil, "a word after the !, as in !usage:uniform"
	}
	at := strings.IndexAny(word, ":=<>!")
	if at < 0 {
		word = strings.ToLower(word)
		return func(r *R) bool { return l.has(r, word) }, ""
	}
	name, sign, value := word[:at], word[at:at+1], word[at+1:]
	if sign != ":" && strings.HasPrefix(value, "=") {
		sign, value = sign+"=", value[1:]
	}
	for i := range l.properties {
		p := &l.properties[i]
		switch {
		case !strings.EqualFold(p.name, name):
		case value == "":
			return nil, "a value is missing" + p.example()
		case p.number != nil:
			return p.compare(sign, value)
		default:
			return p.choose(sign, value)
		}
	}
	return nil, fmt.Sprintf("there is no %q; there are %s", name, l.help())
}

// example is what the property may be asked.
func (p *property[R]) example() string {
	switch {
	case p.bytes:
		return ", as in " + p.name + ">=4MiB"
	case p.number != nil:
		return ", as in " + p.name + "=12"
	}
	return "; one of " + strings.Join(p.words, " ")
}

// choose asks for one of the property's words.
func (p *property[R]) choose(sign, value string) (hold func(*R) bool, why string) {
	for _, w := range p.words {
		if !strings.EqualFold(w, value) {
			continue
		}
		switch sign {
		case ":", "=":
			return func(r *R) bool { return p.is(r, w) }, ""
		case "!=":
			return func(r *R) bool { return !p.is(r, w) }, ""
		}
		return nil, p.name + " is no number: " + p.name + ":" + w
	}
	return nil, fmt.Sprintf("there is no %s %q; there are %s", p.name, value, strings.Join(p.words, " "))
}

// compare asks for numbers. A row without the number holds nothing.
func (p *property[R]) compare(sign, value string) (hold func(*R) bool, why string) {
	want, ok := parseNumber(value, p.bytes)
	if !ok {
		return nil, fmt.Sprintf("%q is no number%s", value, p.example())
	}
	var holds func(n int64) bool
	switch sign {
	case ":", "=":
		holds = func(n int64) bool { return n == want }
	case "!=":
		holds = func(n int64) bool { return n != want }
	case "<":
		holds = func(n int64) bool { return n < want }
	case "<=":
		holds = func(n int64) bool { return n <= want }
	case ">":
		holds = func(n int64) bool { return n > want }
	case ">=":
		holds = func(n int64) bool { return n >= want }
	default:
		return nil, "want one of = != < <= > >="
	}
	return func(r *R) bool {
		n, has := p.number(r)
		return has && holds(n)
	}, ""
}

// byteUnits are the ends of sizes, the longest first.
var byteUnits = []struct {
	end  string
	size float64
}{
	{"kib", 1 << 10}, {"mib", 1 << 20}, {"gib", 1 << 30}, {"tib", 1 << 40}, {"kb", 1e3}, {"mb", 1e6}, {"gb", 1e9}, {"tb", 1e12},
	{"k", 1 << 10}, {"m", 1 << 20}, {"g", 1 << 30}, {"t", 1 << 40}, {"b", 1},
}

// parseNumber reads a whole number, or a size: "4MiB", "1.5GB", "64k".
func parseNumber(s string, bytes bool) (int64, bool) {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return n, true
	}
	if !bytes {
		return 0, false
	}
	s = strings.ToLower(s)
	for _, u := range byteUnits {
		if number, ok := strings.CutSuffix(s, u.end); ok {
			n, err := strconv.ParseFloat(number, 64)
			if n *= u.size; err != nil || math.IsNaN(n) || n < 0 || n >= 1<<62 {
				return 0, false
			}
			return int64(math.Round(n)), true
		}
	}
	return 0, false
}

// empty reports whether everything holds.
func (f *filter[R]) empty() bool { return len(f.terms) == 0 }

// holds reports whether the filter lets a row through.
func (f *filter[R]) holds(r *R) bool {
	for i := range f.terms {
		if t := &f.terms[i]; t.hold(r) == t.not {
			return false
		}
	}
	return true
}

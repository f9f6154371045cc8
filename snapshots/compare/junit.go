package compare

import (
	"encoding/xml"
	"io"
)

// The elements of JUnit's XML that test reports of CI systems read.
type junitSuite struct {
	XMLName  xml.Name    `xml:"testsuite"`
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Errors   int         `xml:"errors,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Class   string        `xml:"classname,attr"`
	Name    string        `xml:"name,attr"`
	Failure *junitFailure `xml:"failure,omitempty"`
	Out     string        `xml:"system-out,omitempty"`
}

type junitFailure struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr"`
	Text    string `xml:",chardata"`
}

// JUnit writes the verdicts as a suite of tests.
func (r *Report) JUnit(w io.Writer) error {
	s := junitSuite{Name: "bucketscope compare", Tests: len(r.Verdicts)}
	for i := range r.Verdicts {
		v := &r.Verdicts[i]
		c := junitCase{Class: v.File + "." + v.Mode, Name: v.Budget}
		if v.Holds {
			c.Out = v.String()
		} else {
			s.Failures++
			c.Failure = &junitFailure{Message: v.String(), Type: "budget", Text: v.String()}
		}
		s.Cases = append(s.Cases, c)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", " ")
	if err := e.Encode(s); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

// Broken are the verdicts that do not hold.
func (r *Report) Broken() []Verdict {
	var out []Verdict
	for _, v := range r.Verdicts {
		if !v.Holds {
			out = append(out, v)
		}
	}
	return out
}

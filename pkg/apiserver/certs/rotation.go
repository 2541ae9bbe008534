package certs

import (
	"crypto/x509"
	"slices"
	"time"
)

// overlap is how long clients are given to learn of a new authority before anything
// is signed by it. The APIServices carry it within a second; those who copied the
// bundle by hand have a day.
const overlap = 24 * time.Hour

// advance returns the state that should follow old at that moment, and what was
// changed in it, in words. A nil old is nothing, or nothing that could be read.
//
//	signer           next               what is done
//	none, expired    none, expired      a new authority signs at once
//	none, expired    valid              next takes over at once
//	valid            none               nothing, until a third of its life is left;
//	                                    then a next one is made, and trusted
//	valid            younger than a day nothing: clients are learning of it
//	valid            older              next takes over, signer is still trusted
//
// Whatever that came to, the serving certificate is replaced when a third of its
// life is left, when its names are not those wanted, or when the signer has
// changed; and what has expired is trusted no longer.
func advance(old *state, now time.Time, names []string) (*state, []string, error) {
	s := &state{}
	if old != nil {
		*s = *old
		s.retired = slices.Clone(old.retired)
	}
	changes, err := s.advanceSigner(now)
	if err != nil {
		return nil, nil, err
	}
	if reason := s.servingReason(now, names); reason != "" {
		if s.serving, err = newServing(now, names, s.signer); err != nil {
			return nil, nil, err
		}
		changes = append(changes, "new serving certificate: "+reason)
	}
	kept := slices.DeleteFunc(s.retired, func(cert *x509.Certificate) bool { return !now.Before(cert.NotAfter) })
	if len(kept) != len(s.retired) {
		changes = append(changes, "an expired authority is trusted no longer")
	}
	// Two of the places are the signer's and its successor's.
	s.retired = kept[:min(len(kept), maxAuthorities-2)]
	return s, changes, nil
}

// advanceSigner does the rows of advance's table.
func (s *state) advanceSigner(now time.Time) ([]string, error) {
	if s.next != nil && !valid(s.next.cert, now) {
		s.next = nil
	}
	signs := s.signer.cert != nil && valid(s.signer.cert, now)
	switch {
	case !signs && s.next == nil:
		authority, err := newAuthority(now)
		if err != nil {
			return nil, err
		}
		s.retire()
		s.signer = authority
		return []string{"new authority: there was none that is valid"}, nil
	case !signs:
		s.promote()
		return []string{"the next authority takes over: the former one is not valid"}, nil
	case s.next == nil && !now.Before(renewal(s.signer.cert)):
		authority, err := newAuthority(now)
		if err != nil {
			return nil, err
		}
		s.next = &authority
		return []string{"the next authority is made known"}, nil
	case s.next != nil && !now.Before(takeover(s.next.cert)):
		s.promote()
		return []string{"the next authority takes over"}, nil
	}
	return nil, nil
}

func (s *state) promote() {
	s.retire()
	s.signer, s.next = *s.next, nil
}

// retire keeps the signer trusted, most recent first.
func (s *state) retire() {
	if s.signer.cert != nil {
		s.retired = append([]*x509.Certificate{s.signer.cert}, s.retired...)
	}
}

// servingReason says why the serving certificate has to be replaced, or nothing.
func (s *state) servingReason(now time.Time, names []string) string {
	cert := s.serving.cert
	switch {
	case cert == nil:
		return "there was none"
	case cert.CheckSignatureFrom(s.signer.cert) != nil:
		return "it is signed by another authority"
	case !now.Before(renewal(cert)):
		return "it would expire"
	case now.Before(cert.NotBefore):
		return "it is not valid yet"
	case !slices.Equal(namesOf(cert), sorted(names)):
		return "its names are not those wanted"
	}
	return ""
}

// due is when advance will next have something to do.
func (s *state) due() time.Time {
	moments := []time.Time{renewal(s.serving.cert)}
	if s.next == nil {
		moments = append(moments, renewal(s.signer.cert))
	} else {
		moments = append(moments, takeover(s.next.cert))
	}
	for _, cert := range s.retired {
		moments = append(moments, cert.NotAfter)
	}
	return slices.MinFunc(moments, time.Time.Compare)
}

// renewal is the moment at which a third of the certificate's life is left.
func renewal(cert *x509.Certificate) time.Time {
	return cert.NotAfter.Add(-cert.NotAfter.Sub(cert.NotBefore) / 3)
}

// takeover is the moment from which on a next authority may sign.
func takeover(cert *x509.Certificate) time.Time {
	return cert.NotBefore.Add(backdate + overlap)
}

func valid(cert *x509.Certificate, now time.Time) bool {
	return !now.Before(cert.NotBefore) && now.Before(cert.NotAfter)
}

// namesOf returns all names of the certificate, sorted.
func namesOf(cert *x509.Certificate) []string {
	names := slices.Clone(cert.DNSNames)
	for _, ip := range cert.IPAddresses {
		names = append(names, ip.String())
	}
	slices.Sort(names)
	return names
}

func sorted(names []string) []string { return slices.Sorted(slices.Values(names)) }

package options

import "errors"

// OwnCertificate tells whether the server makes its serving certificate itself.
func (o *Options) OwnCertificate() bool {
	return o.Recommended.SecureServing.ServerCert.CertKey.CertFile == ""
}

// validateCertificate refuses flags of certificates that would be ignored.
func (o *Options) validateCertificate() []error {
	var errs []error
	cert := o.Recommended.SecureServing.ServerCert
	if !o.OwnCertificate() && o.RegisterAPIServices && o.ServiceCAFile == "" {
		errs = append(errs, errors.New("--service-ca-file is needed with --tls-cert-file: it is what kube-apiserver is told to trust"))
	}
	if o.OwnCertificate() && o.ServiceCAFile != "" {
		errs = append(errs, errors.New("--service-ca-file is for a certificate that is given with --tls-cert-file"))
	}
	if (cert.CertKey.CertFile == "") != (cert.CertKey.KeyFile == "") {
		errs = append(errs, errors.New("--tls-cert-file and --tls-private-key-file must be set together"))
	}
	if cert.CertDirectory != "" {
		errs = append(errs, errors.New("--cert-dir is not used: the serving certificate is kept in the host cluster, or named with --tls-cert-file and --tls-private-key-file"))
	}
	return errs
}

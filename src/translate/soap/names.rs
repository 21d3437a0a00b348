//! Namespaces that everybody knows.

/// WSDL 1.1.
pub(super) const WSDL: &str = "http://schemas.xmlsoap.org/wsdl/";
/// What a WSDL says of SOAP 1.1.
pub(super) const WSDL_SOAP11: &str = "http://schemas.xmlsoap.org/wsdl/soap/";
/// What a WSDL says of SOAP 1.2.
pub(super) const WSDL_SOAP12: &str = "http://schemas.xmlsoap.org/wsdl/soap12/";
/// What a WSDL says of WS-Addressing 1.0.
pub(super) const WSAM: &str = "http://www.w3.org/2007/05/addressing/metadata";
/// The same, as it was before it was done.
pub(super) const WSAW: &str = "http://www.w3.org/2006/05/addressing/wsdl";
/// XML Schema.
pub(super) const XML_SCHEMA: &str = "http://www.w3.org/2001/XMLSchema";
/// Envelopes of SOAP 1.1.
pub(super) const SOAP11: &str = "http://schemas.xmlsoap.org/soap/envelope/";
/// Envelopes of SOAP 1.2.
pub(super) const SOAP12: &str = "http://www.w3.org/2003/05/soap-envelope";
/// Encoded values of SOAP 1.1.
pub(super) const SOAP_ENCODING: &str = "http://schemas.xmlsoap.org/soap/encoding/";

/// Whether a namespace has nothing that would have to be imported.
pub(super) fn is_known(namespace: &str) -> bool {
    matches!(namespace, XML_SCHEMA | SOAP_ENCODING | SOAP11 | SOAP12 | crate::xml::XML_NAMESPACE)
}

//! Every way a request ends early: one closed list.
//!
//! Each has a status, a stable reason and a sentence for the client. The reason is the same word in
//! the answer, the access log, the metrics and `janua explain`; none of it tells anything of the
//! inside. What a client sees is made from this in one place, `chain::answer`. To add a way, add a
//! line to the table below; nothing matches on it with `_`.

use http::StatusCode;

/// Makes the enum and its tables from one list, so that they cannot disagree.
macro_rules! rejects {
    ($($(#[$doc:meta])* $name:ident = $status:literal $reason:literal $detail:literal;)*) => {
        /// A way a request ends early.
        #[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
        #[repr(u8)]
        pub enum Reject {
            $($(#[$doc])* $name,)*
        }

        impl Reject {
            /// All of them, in the order of the list, so that `ALL[r as usize] == r`.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Their reasons, by number.
            pub const REASONS: &'static [&'static str] = &[$($reason,)*];

            /// The status, as a number.
            pub const fn code(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }

            /// The reason: a stable word for answers, logs, metrics and `explain`.
            pub const fn reason(self) -> &'static str {
                match self { $(Self::$name => $reason,)* }
            }

            /// A sentence for the client; it tells nothing of the inside.
            pub const fn detail(self) -> &'static str {
                match self { $(Self::$name => $detail,)* }
            }
        }
    };
}

rejects! {
    /// The request line is not `METHOD SP TARGET SP VERSION`.
    RequestLine = 400 "request.line" "The request line is malformed.";
    /// The target is not one that a proxy can take.
    RequestTarget = 400 "request.target" "The request target is malformed, or may be read in two ways.";
    /// A header field is malformed: its name, its value, folded, or its line end.
    RequestHeader = 400 "request.header" "A header field is malformed.";
    /// `Host` is missing, repeated, malformed or not what the target says.
    RequestHost = 400 "request.host" "The Host header field is missing, repeated or malformed.";
    /// The length of the body is ambiguous or malformed.
    RequestFraming = 400 "request.framing" "The length of the request body is ambiguous or malformed.";
    /// A chunk of a chunked body is malformed.
    RequestChunk = 400 "request.chunk" "The chunked request body is malformed.";
    /// The body ended before its length.
    RequestIncomplete = 400 "request.incomplete" "The request ended before its body was complete.";
    /// CONNECT, or an upgrade that is never passed on.
    MethodRefused = 405 "request.method" "This method is not allowed here.";
    /// The head, or a part of the body, took too long.
    RequestTimeout = 408 "timeout.request" "The request took too long to arrive.";
    /// The body came slower than the minimum rate.
    BodyTimeout = 408 "timeout.request_body" "The request body arrived too slowly.";
    /// The body is larger than the limit.
    BodyTooLarge = 413 "request.body_too_large" "The request body is too large.";
    /// The request line is longer than the limit.
    TargetTooLong = 414 "request.line_too_long" "The request line is too long.";
    /// An `Expect` other than `100-continue`.
    Expectation = 417 "request.expectation" "The expectation cannot be met.";
    /// A request on a connection that would not be let in as it was, by the rules of now.
    Misdirected = 421 "request.misdirected" "This connection takes no more requests; another one may.";
    /// The head is larger than the limit.
    HeaderTooLarge = 431 "request.header_too_large" "The request header is too large.";
    /// There are more header fields than the limit.
    TooManyHeaders = 431 "request.too_many_headers" "The request has too many header fields.";
    /// An HTTP version that is not spoken.
    RequestVersion = 505 "request.version" "This HTTP version is not supported.";

    /// An access list refuses the client's address.
    AccessIp = 403 "access.ip" "You may not come in here.";
    /// An access list refuses the client's country.
    AccessCountry = 403 "access.country" "You may not come in here.";
    /// An access list refuses the client's network operator.
    AccessAsn = 403 "access.asn" "You may not come in here.";
    /// An access list refuses the request's header fields.
    AccessHeader = 403 "access.header" "You may not come in here.";
    /// The route asks who it is, and nothing in the request says so.
    AuthMissing = 401 "auth.missing" "Credentials are required.";
    /// A credential is there more than once: which one would the origin have taken?
    AuthAmbiguous = 400 "auth.ambiguous" "Credentials are given more than once.";
    /// A key that nobody knows.
    AuthKeyUnknown = 401 "auth.key.unknown" "The key is not known.";
    /// A key whose time is over.
    AuthKeyExpired = 401 "auth.key.expired" "The key has expired.";
    /// A key that was withdrawn.
    AuthKeyRevoked = 401 "auth.key.revoked" "The key was revoked.";
    /// A key that only the shared store may know, which is of no use now.
    AuthKeyStoreUnavailable = 503 "auth.key.store_unavailable" "Keys cannot be looked up at present.";
    /// What should be a user and a password is neither.
    AuthBasicMalformed = 401 "auth.basic.malformed" "The user and password are malformed.";
    /// No such user, or not this password: nobody is told which.
    AuthBasicWrong = 401 "auth.basic.wrong" "The user or the password is wrong.";
    /// A token that is none, or could be read in two ways.
    AuthJwtMalformed = 401 "auth.jwt.malformed" "The token is malformed.";
    /// A token by an algorithm that its key is not for.
    AuthJwtAlgorithm = 401 "auth.jwt.algorithm" "The token is signed by an algorithm that is not accepted.";
    /// A token by a key that nobody knows.
    AuthJwtKeyUnknown = 401 "auth.jwt.key_unknown" "The token is signed with a key that is not known.";
    /// A token that nobody signed like this.
    AuthJwtSignature = 401 "auth.jwt.signature" "The signature of the token is wrong.";
    /// A token whose time is over.
    AuthJwtExpired = 401 "auth.jwt.expired" "The token has expired.";
    /// A token whose time has not come.
    AuthJwtNotYet = 401 "auth.jwt.not_yet" "The token is not valid yet.";
    /// A token by somebody else.
    AuthJwtIssuer = 401 "auth.jwt.issuer" "The token comes from another issuer.";
    /// A token for somebody else.
    AuthJwtAudience = 401 "auth.jwt.audience" "The token is for another audience.";
    /// A token that lacks a claim, or has one of the wrong kind.
    AuthJwtClaims = 401 "auth.jwt.claims" "A claim of the token is missing or of the wrong kind.";
    /// There are no keys, so no token can be verified.
    AuthJwtKeysUnavailable = 503 "auth.jwt.keys_unavailable" "Tokens cannot be verified at present.";
    /// A session that is not known, or whose time is over.
    AuthOidcSession = 401 "auth.oidc.session" "The session is not known, or it is over.";
    /// The store with the sessions cannot be asked.
    AuthOidcStoreUnavailable = 503 "auth.oidc.store_unavailable" "Sessions cannot be looked up at present.";
    /// A browser comes back from a login that it did not begin, or too late.
    AuthOidcFlow = 400 "auth.oidc.flow" "The login was not begun here, or it took too long. Please try again.";
    /// A browser comes back from another login than those that it began.
    AuthOidcState = 400 "auth.oidc.state" "The login is another one than those that were begun here. Please try again.";
    /// A browser comes back from a login a second time.
    AuthOidcReplayed = 400 "auth.oidc.replayed" "The login is over already.";
    /// The answer to a login names another provider, or none where it should.
    AuthOidcIssuer = 400 "auth.oidc.issuer" "The login comes from another identity provider.";
    /// The answer to a login is none, or could be read in two ways.
    AuthOidcResponse = 400 "auth.oidc.response" "The answer of the identity provider is malformed.";
    /// The user or the provider did not agree.
    AuthOidcDenied = 403 "auth.oidc.denied" "The login was denied.";
    /// The provider says that something else went wrong.
    AuthOidcError = 502 "auth.oidc.error" "The identity provider reports an error.";
    /// The provider does not take the code that it gave.
    AuthOidcCode = 400 "auth.oidc.code" "The login does not hold. Please try again.";
    /// The provider's answer makes no sense.
    AuthOidcProvider = 502 "auth.oidc.provider" "The identity provider gave an invalid answer.";
    /// The provider is down or slow.
    AuthOidcUnavailable = 503 "auth.oidc.unavailable" "The identity provider cannot be reached at present.";
    /// The provider's ID token does not hold.
    AuthOidcIdToken = 502 "auth.oidc.id_token" "The identity provider gave a token that does not hold.";
    /// The provider's ID token belongs to another login.
    AuthOidcNonce = 400 "auth.oidc.nonce" "The login belongs to another one. Please try again.";
    /// A logout token that does not hold, or came before.
    AuthOidcLogoutToken = 400 "auth.oidc.logout_token" "The logout token does not hold.";
    /// A page of another site would log somebody out.
    AuthOidcCrossSite = 403 "auth.oidc.cross_site" "Another site may not do this.";
    /// A token that is none, or longer than any.
    AuthIntrospectionMalformed = 401 "auth.introspection.malformed" "The token is malformed.";
    /// A token that does not hold, says the authorization server: unknown, expired or revoked.
    AuthIntrospectionInactive = 401 "auth.introspection.inactive" "The token does not hold.";
    /// A token whose time is over.
    AuthIntrospectionExpired = 401 "auth.introspection.expired" "The token has expired.";
    /// A token whose time has not come.
    AuthIntrospectionNotYet = 401 "auth.introspection.not_yet" "The token is not valid yet.";
    /// A token by somebody else.
    AuthIntrospectionIssuer = 401 "auth.introspection.issuer" "The token comes from another issuer.";
    /// A token for somebody else.
    AuthIntrospectionAudience = 401 "auth.introspection.audience" "The token is for another audience.";
    /// A token of which the authorization server does not say enough.
    AuthIntrospectionClaims = 401 "auth.introspection.claims" "A claim of the token is missing or of the wrong kind.";
    /// The authorization server cannot be asked, or its answer is none.
    AuthIntrospectionUnavailable = 503 "auth.introspection.unavailable" "Tokens cannot be verified at present.";
    /// The service that decides wants credentials.
    AuthForwardUnauthorized = 401 "auth.forward.unauthorized" "Credentials are required.";
    /// The service that decides says no.
    AuthForwardDenied = 403 "auth.forward.denied" "You may not come in here.";
    /// The service that decides cannot be asked, or its answer is none.
    AuthForwardUnavailable = 503 "auth.forward.unavailable" "It cannot be decided at present who may come in.";
    /// The route asks for a client's certificate, and the client showed none.
    AuthMtlsMissing = 401 "auth.mtls.missing" "A client certificate is required.";
    /// A certificate that is good, of somebody who is not known here.
    AuthMtlsUnknown = 401 "auth.mtls.unknown" "The client certificate is not known.";
    /// A certificate that ended while its connection was open.
    AuthMtlsExpired = 401 "auth.mtls.expired" "The client certificate has expired.";
    /// Too many failures from this address or for this account.
    AuthLockedOut = 429 "auth.locked_out" "There were too many failed attempts.";
    /// More passwords wait to be checked than may.
    AuthBusy = 503 "auth.busy" "Too many credentials wait to be checked.";
    /// A role is missing.
    AuthzRole = 403 "authz.role" "A role is missing.";
    /// A scope is missing.
    AuthzScope = 403 "authz.scope" "A scope is missing.";
    /// A claim is missing or has another value.
    AuthzClaim = 403 "authz.claim" "A claim is missing or has another value.";
    /// None of the alternatives holds, or something does that must not.
    AuthzRule = 403 "authz.rule" "This identity may not do this.";
    /// No policy permits this, or one forbids it.
    AuthzPolicy = 403 "authz.policy" "This identity may not do this.";
    /// A policy fails.
    AuthzPolicyError = 403 "authz.policy.error" "This identity may not do this.";

    /// More connections from this address than it may have. Nobody sees the status of this and the next:
    /// the connection is closed before HTTP is spoken.
    LimitConnections = 429 "limit.connections" "There are too many connections.";
    /// More TLS handshakes from this address than it may begin.
    LimitHandshakes = 429 "limit.handshakes" "There are too many connections.";
    /// More requests from this address than a listener takes.
    LimitRequests = 429 "limit.requests" "There are too many requests.";
    /// A rate is exceeded, and there is no turn to wait for.
    LimitRate = 429 "limit.rate" "There are too many requests.";
    /// More requests at a time than may be.
    LimitConcurrent = 429 "limit.concurrent" "There are too many requests at a time.";
    /// All of the day's or month's quota is used.
    LimitQuota = 429 "limit.quota" "The quota is used up.";
    /// The request costs more than is ever there at once.
    LimitCost = 429 "limit.cost" "The request costs more than is ever allowed at once.";
    /// The store that a limit counts in is of no use, and the limit lets nothing through without it.
    LimitStoreUnavailable = 503 "limit.store_unavailable" "Requests cannot be counted at present.";

    /// The gateway has as many requests in flight as it may.
    OverloadRequests = 503 "overload.requests" "There is too much to do at present. Please try again.";
    /// Bodies in flight take all the memory that they may.
    OverloadMemory = 503 "overload.memory" "There is too much to do at present. Please try again.";
    /// The system has no descriptors or memory left for a connection to an origin.
    OverloadSystem = 503 "overload.system" "There is too much to do at present. Please try again.";
    /// The upstream has as many requests in flight as it may.
    OverloadUpstream = 503 "overload.upstream" "The service has too much to do at present. Please try again.";

    /// No route takes this request.
    NoRoute = 404 "no_route" "There is nothing here.";
    /// A route takes this path, but not by this method.
    MethodNotAllowed = 405 "method_not_allowed" "This method is not allowed here.";

    /// A body that is not what its type says it is.
    BodySyntax = 400 "body.syntax" "The request body is malformed.";
    /// A browser asks ahead for what a page may not do.
    CorsRefused = 403 "cors.refused" "Pages of this origin may not do this.";
    /// A body of a type that is not taken here, or in a coding that is not.
    BodyType = 415 "body.type" "The request body is of a type that is not accepted here.";
    /// A parameter, in path, query, header or cookie, is not what the contract says.
    ContractParameter = 400 "contract.parameter" "The request does not keep to its contract.";
    /// The body is not what the contract says.
    ContractBody = 422 "contract.body" "The request does not keep to its contract.";
    /// The answer is not what the contract says.
    ContractAnswer = 502 "contract.answer" "The service gave an answer that is not what it promises.";
    /// None of the types that the client takes can be made.
    NotAcceptable = 406 "translate.accept" "None of the accepted types can be given.";
    /// What the request says cannot be said to the origin.
    TranslateRequest = 422 "translate.request" "The request cannot be translated for the service.";
    /// What the origin says cannot be said to the client.
    TranslateAnswer = 502 "translate.answer" "The service gave an invalid answer.";
    /// The origin's answer is larger than what is translated.
    TranslateTooLarge = 502 "translate.too_large" "The service gave an answer that is too large.";

    /// What came to a GraphQL service is no request of GraphQL over HTTP.
    GraphqlRequest = 400 "graphql.request" "This is no request of GraphQL over HTTP.";
    /// A list of operations where there may be none, or a longer one than may be.
    GraphqlBatch = 400 "graphql.batch" "There are too many operations in one request.";
    /// A document that is not GraphQL.
    GraphqlSyntax = 400 "graphql.syntax" "The document is malformed.";
    /// A document of more tokens than may be.
    GraphqlTokens = 400 "graphql.tokens" "The document is too large.";
    /// Fields nested deeper than may be.
    GraphqlDepth = 400 "graphql.depth" "The operation is nested too deeply.";
    /// More fields than may be.
    GraphqlFields = 400 "graphql.fields" "The operation has too many fields.";
    /// More fields at the top than may be.
    GraphqlRootFields = 400 "graphql.root_fields" "The operation has too many fields at its top.";
    /// More aliases than may be.
    GraphqlAliases = 400 "graphql.aliases" "The operation has too many aliases.";
    /// More directives than may be.
    GraphqlDirectives = 400 "graphql.directives" "The operation has too many directives.";
    /// Fragments that use each other, or that are not there.
    GraphqlFragments = 400 "graphql.fragments" "The document's fragments lead in circles or to nothing.";
    /// A document that does not fit the schema.
    GraphqlValidation = 400 "graphql.validation" "The operation does not fit the schema.";
    /// Variables that do not fit the operation.
    GraphqlVariables = 400 "graphql.variables" "The variables do not fit the operation.";
    /// The operation that is asked for is not in the document.
    GraphqlOperation = 400 "graphql.operation" "The document has no such operation, or has several and none is named.";
    /// An operation costs more than may be.
    GraphqlCost = 400 "graphql.cost" "The operation costs too much.";
    /// A mutation by GET.
    GraphqlMethod = 405 "graphql.method" "A mutation is not asked by GET.";
    /// The schema is asked for by somebody who may not see it.
    GraphqlIntrospection = 403 "graphql.introspection" "The schema is not shown.";
    /// A document is named that is not known.
    GraphqlUnknown = 400 "graphql.unknown" "PersistedQueryNotFound";
    /// A document that is not known, where only known ones are taken.
    GraphqlPersisted = 403 "graphql.persisted" "Only operations that are known here may be asked.";
    /// A WebSocket, in which nobody could look at operations.
    GraphqlWebsocket = 403 "graphql.websocket" "WebSockets are not taken here.";

    /// The filter for requests fails on this one.
    TransformRequest = 422 "transform.request" "The request cannot be changed as the service needs it.";
    /// The filter for requests would take too much for this one.
    TransformRequestSteps = 422 "transform.request_steps" "The request takes too much to be changed as the service needs it.";
    /// The filter for answers fails on this one.
    TransformAnswer = 502 "transform.answer" "The service gave an invalid answer.";
    /// The filter for answers would take too much for this one.
    TransformAnswerSteps = 502 "transform.answer_steps" "The service gave an answer that takes too much to be changed.";
    /// The origin's answer is larger than what is changed, or what comes of it is.
    TransformTooLarge = 502 "transform.too_large" "The service gave an answer that is too large.";

    /// Too many of the upstream's requests failed: it gets none for a while.
    BreakerOpen = 503 "upstream.breaker_open" "The service is not available at present. Please try again.";
    /// The request is to be answered by what is kept only, and nothing is.
    OnlyIfCached = 504 "cache.only_if_cached" "Nothing is kept here that answers the request.";
    /// Each of the upstream's endpoints has as many requests as it may.
    UpstreamBusy = 503 "upstream.busy" "The service has too much to do at present. Please try again.";
    /// The same, and as many wait as may.
    QueueFull = 503 "upstream.queue_full" "The service has too much to do at present. Please try again.";
    /// The same, for longer than a request waits.
    QueueTimeout = 503 "upstream.queue_timeout" "The service has too much to do at present. Please try again.";
    /// None of the upstream's endpoints may be used.
    NoEndpoint = 503 "upstream.no_endpoint" "The service is not available.";
    /// The endpoint's name does not resolve.
    Resolve = 503 "upstream.resolve" "The service is not available.";
    /// The endpoint refused the connection.
    ConnectRefused = 502 "upstream.connect_refused" "The service is not available.";
    /// The endpoint could not be reached.
    ConnectFailed = 502 "upstream.connect_failed" "The service is not available.";
    /// The TLS handshake with the endpoint failed.
    UpstreamTls = 502 "upstream.tls" "The service is not available.";
    /// The endpoint closed or reset the connection before it answered.
    UpstreamReset = 502 "upstream.reset" "The service ended the connection before it answered.";
    /// The endpoint's answer is not one that HTTP allows.
    UpstreamProtocol = 502 "upstream.protocol" "The service gave an invalid answer.";
    /// The head of the endpoint's answer is larger than the limits.
    UpstreamHeaderTooLarge = 502 "upstream.header_too_large" "The service gave an answer whose header is too large.";
    /// The endpoint took too long to take a connection.
    ConnectTimeout = 504 "timeout.connect" "The service took too long to answer.";
    /// The endpoint took too long to begin its answer.
    FirstByteTimeout = 504 "timeout.first_byte" "The service took too long to answer.";
    /// The endpoint's answer, or a tunnel, stood still for too long.
    IdleTimeout = 504 "timeout.idle" "The service took too long to go on.";
    /// The whole exchange took too long.
    TotalTimeout = 504 "timeout.total" "The service took too long to answer.";

    /// A connection for which a PROXY header is needed, from a peer that is not named. Nobody sees the
    /// status of these three: the connection is closed before HTTP is spoken.
    ProxyStranger = 403 "proxy.stranger" "This peer may not speak for others.";
    /// A connection begins with something else than a PROXY header.
    ProxyHeader = 400 "proxy.header" "The PROXY header is malformed.";
    /// The PROXY header took too long.
    ProxyTimeout = 408 "timeout.proxy_header" "The PROXY header took too long to arrive.";

    /// The client went away before it had its answer. Nobody sees the status; it is nginx's word.
    ClientGone = 499 "client.gone" "The client closed the connection.";
    /// The client took nothing of its answer for too long.
    WriteTimeout = 499 "timeout.write" "The client took its answer too slowly.";
    /// The gateway is shutting down.
    Draining = 503 "server.draining" "The service is shutting down.";
    /// A fault of Janua's own.
    Internal = 500 "internal" "The gateway failed.";
}

impl Reject {
    /// The status.
    pub fn status(self) -> StatusCode {
        StatusCode::from_u16(self.code()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The way with this reason, if there is one.
    pub fn by_reason(reason: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|reject| reject.reason() == reason)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_reason_is_its_own_word_and_every_status_is_an_error() {
        let reasons: HashSet<_> = Reject::ALL.iter().map(|reject| reject.reason()).collect();
        assert_eq!(reasons.len(), Reject::ALL.len());
        for (index, reject) in Reject::ALL.iter().enumerate() {
            assert_eq!(*reject as usize, index);
            assert!(reject.status().is_client_error() || reject.status().is_server_error());
            assert_eq!(Reject::by_reason(reject.reason()), Some(*reject));
        }
    }
}

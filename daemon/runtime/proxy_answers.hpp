// Whose answer it is that comes from a proxy over plain http, where the proxy passes the answers of
// the server on, and what its own mean. Pure; any thread.
#pragma once

#include <string>
#include <string_view>

namespace flowrelay::runtime {

/// The header fields that tell; empty: there is none. The views live as long as the answer.
struct ProxyMarks {
    std::string via;  ///< all of them, as one list
    std::string_view server;
    std::string_view squid_error;   ///< X-Squid-Error
    std::string proxy_status;       ///< all of them, as one list
    std::string_view authenticate;  ///< Proxy-Authenticate
};

/// Whether the proxy answers in the place of the server. A proxy has to mark what it passes on with
/// `Via` (RFC 9110, section 7.6.3); one that does not (`passes_without_via`) is known by the good
/// answers. Some mark their own errors as well: those have X-Squid-Error, an `error` in
/// Proxy-Status (RFC 9209), or a Server that is also the last in Via. A success is never the
/// proxy's.
bool is_of_proxy_itself(int status, const ProxyMarks& marks, bool passes_without_via);

/// What it means that the proxy itself answered so.
enum class ProxyAnswer {
    refusal,     ///< it does not let requests through, and will not until somebody changes that
    too_fast,    ///< 429
    of_request,  ///< what the status says: about the size of this one, or that it is to be repeated
};

ProxyAnswer meaning_at_proxy(int status) noexcept;

}  // namespace flowrelay::runtime

// Rejects requests of web pages to loopback ports. A page in a browser on this host can send them
// with `fetch` in the mode no-cors, or to a name that resolves to 127.0.0.1 (DNS rebinding).
#pragma once

#include <string_view>

#include "flowrelay/http/request_reader.hpp"
#include "flowrelay/runtime/server.hpp"

namespace flowrelay::runtime {

/// Returns whether a Host field (RFC 9110, section 7.2) is a loopback address or "localhost", with
/// or without a port.
bool is_loopback_host(std::string_view host) noexcept;

/// Returns whether a connection came over TCP. listens_on_loopback() returns whether it came to a
/// loopback address.
bool is_tcp(const StreamSocket& socket);
bool listens_on_loopback(const StreamSocket& socket);

/// Returns why a request may come from a web page that uses another host name; empty if it can't.
/// An HTTP/1.0 request may lack Host; no browser sends such a request.
std::string_view problem_of_host(const http::RequestReader& request) noexcept;

/// Returns why a request seems to come from a web page: problem_of_host(), an Origin field, or a
/// Sec-Fetch-Site other than "none". Empty if it does not.
std::string_view problem_of_web_page(const http::RequestReader& request) noexcept;

}  // namespace flowrelay::runtime

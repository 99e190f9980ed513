// Keeps web pages away from loopback ports. A page that a user of this host looks at can send
// requests to them: with `fetch` in the mode no-cors, or under a name that it has pointed to
// 127.0.0.1 (DNS rebinding).
#pragma once

#include <string_view>

#include "flowrelay/http/request_reader.hpp"
#include "flowrelay/runtime/server.hpp"

namespace flowrelay::runtime {

/// Whether a Host field (RFC 9110, section 7.2) names this host's loopback by address or as
/// "localhost", with a port or without.
bool is_loopback_host(std::string_view host) noexcept;

/// Whether a connection came in over TCP, and whether on an address of the loopback.
bool is_tcp(const StreamSocket& socket);
bool listens_on_loopback(const StreamSocket& socket);

/// Why a request may come from a web page under another name; empty if it can't. A request of
/// HTTP/1.0 may have no Host; no browser sends one.
std::string_view problem_of_host(const http::RequestReader& request) noexcept;

/// Why a request comes from a web page; empty if it does not: problem_of_host(), an Origin, or a
/// Sec-Fetch-Site other than "none".
std::string_view problem_of_web_page(const http::RequestReader& request) noexcept;

}  // namespace flowrelay::runtime

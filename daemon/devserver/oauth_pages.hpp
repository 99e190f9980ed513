// The authorization server's pages. No scripts; all text is escaped.
#pragma once

#include <string>
#include <string_view>

#include "flowrelay/http/response_writer.hpp"

namespace flowrelay::devserver {

http::Response page(int status, std::string_view heading, std::string_view text);

/// Asks the user to allow `application` the scopes. The form sends `form_token` back with the
/// decision.
http::Response consent_page(std::string_view application, std::string_view scopes,
                            std::string_view form_token);

/// Shows a code for the user to copy.
http::Response code_page(std::string_view code);

}  // namespace flowrelay::devserver

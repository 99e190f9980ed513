// The pages that the authorization server shows to people. No scripts; all text escaped.
#pragma once

#include <string>
#include <string_view>

#include "flowrelay/http/response_writer.hpp"

namespace flowrelay::devserver {

http::Response page(int status, std::string_view heading, std::string_view text);

/// Asks whether an application may do something. `form_token` comes back with the decision.
http::Response consent_page(std::string_view application, std::string_view scopes,
                            std::string_view form_token);

/// Shows a code to copy.
http::Response code_page(std::string_view code);

}  // namespace flowrelay::devserver

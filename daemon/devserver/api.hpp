// What the API makes of a message.
#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <cstdint>
#include <string>
#include <string_view>

namespace flowrelay::devserver {

/// A member that is a string, or an empty view.
std::string_view string_member(const boost::json::object& object, std::string_view name);

/// The errors of a message as the API shows them: {"title": ["can't be blank"]}; empty if it is
/// valid. `query_token`: the token may come in the query instead of the body.
boost::json::object validate(const boost::json::object& message, std::string_view query_token);

/// {"message": "Validation error", "errors": {…}}
std::string validation_error(boost::json::object errors);

/// {"message": "…"}
std::string error_body(std::string_view message);

/// The message as the API gives it back to those who wait for it: with its id, without the token.
std::string stored_message(const boost::json::object& message, std::uint64_t id);

/// For people: the message over several lines, with the token masked.
std::string readable_message(const boost::json::value& message);

}  // namespace flowrelay::devserver

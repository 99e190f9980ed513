// Validates and formats messages as the API does.
#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <cstdint>
#include <string>
#include <string_view>

namespace flowrelay::devserver {

/// Returns a string member, or an empty view.
std::string_view string_member(const boost::json::object& object, std::string_view name);

/// Returns the errors of a message in the API's format, {"title": ["can't be blank"]}; empty if it
/// is valid. `query_token` is the token in the query, which is an alternative to the one in the
/// body.
boost::json::object validate(const boost::json::object& message, std::string_view query_token);

/// {"message": "Validation error", "errors": {…}}
std::string validation_error(boost::json::object errors);

/// {"message": "…"}
std::string error_body(std::string_view message);

/// Returns the message as the API's answer contains it: with its id, without the token.
std::string stored_message(const boost::json::object& message, std::uint64_t id);

/// Returns the message as readable text of several lines, with the token masked.
std::string readable_message(const boost::json::value& message);

}  // namespace flowrelay::devserver

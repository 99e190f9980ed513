# What most files read, compiled once in a build and shared by targets that are compiled alike
# (REUSE_FROM). A file includes what it uses all the same: tests/lint/include_rule.py, and the presets
# clang and fuzz build without these.
set(flowrelay_standard_headers
  <algorithm> <array> <charconv> <chrono> <cstdint> <cstring> <deque> <functional> <map> <memory>
  <optional> <set> <span> <string> <string_view> <unordered_map> <unordered_set> <utility>
  <variant> <vector>
  <boost/system/result.hpp>
  <fmt/format.h>)
# Asio's coroutines are the bulk of what these read.
set(flowrelay_asio_headers
  <boost/asio/any_io_executor.hpp>
  <boost/asio/as_tuple.hpp>
  <boost/asio/awaitable.hpp>
  <boost/asio/deferred.hpp>
  <boost/asio/generic/stream_protocol.hpp>
  <boost/asio/ip/tcp.hpp>
  <boost/asio/steady_timer.hpp>
  <boost/json/parse.hpp>
  <boost/json/serialize.hpp>
  <boost/json/value.hpp>)
set(flowrelay_test_headers <gmock/gmock.h> <gtest/gtest.h>)

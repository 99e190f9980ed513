// How coroutines are started here: with a completion handler, so that an exception that leaves one
// is a bug that ends the process loudly and never a task that silently stopped.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <exception>
#include <utility>

namespace flowrelay::runtime {

inline void spawn(const boost::asio::any_io_executor& io, boost::asio::awaitable<void> task) {
    boost::asio::co_spawn(io, std::move(task), [](std::exception_ptr failure) {
        if (failure) std::rethrow_exception(failure);  // out of io_context::run, to main
    });
}

}  // namespace flowrelay::runtime

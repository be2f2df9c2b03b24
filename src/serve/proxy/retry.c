/* The rules: what has not left here may always be sent again; what has, only by an idempotent
 * method and while no byte came back. That a server closed the connection proves nothing. */
#include "serve/proxy/retry.h"

static void fill(struct retry_budget *budget, nsec_t now)
{
    if (budget->filled && now - budget->filled < RETRY_WINDOW)
        return;
    if (budget->tokens < RETRY_FLOOR)
        budget->tokens = RETRY_FLOOR;
    budget->filled = now;
}

void retry_budget_request(struct retry_budget *budget, nsec_t now)
{
    fill(budget, now);
    budget->tokens += RETRY_PART;
    if (budget->tokens > RETRY_MOST)
        budget->tokens = RETRY_MOST;
}

bool retry_budget_take(struct retry_budget *budget, nsec_t now)
{
    fill(budget, now);
    if (budget->tokens < 1000)
        return false;
    budget->tokens -= 1000;
    return true;
}

bool retry_is_safe(const struct retry_question *question)
{
    if (question->attempt >= question->tries_max || question->body_touched || question->received)
        return false;
    if (!question->sent)
        return true;
    return question->idempotent && !question->timed_out;
}

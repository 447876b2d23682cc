from zrokd.store import accounts, tables, tokens


def test_of_tokens_with_a_label_the_latest_stay(store, rows):
    ann, bob = rows.account(), rows.account("bob@example.com")
    for number in range(5):
        store.write(tokens.add, ann.id, f"login {number}", "login", number)
    store.write(tokens.add, ann.id, "own", "", 1)
    store.write(tokens.add, bob.id, "bobs", "login", 1)
    store.write(tokens.keep, ann.id, "login", 2)
    kept = store.read(lambda: {row.digest for row in tables.AccountToken.select()})
    assert kept == {"login 3", "login 4", "own", "bobs"}


def test_with_an_account_goes_all_that_lets_somebody_act_for_it(store, rows):
    ann = rows.account()
    store.write(tokens.add, ann.id, "own", "", 1)
    store.write(accounts.remove, ann.id, 5)
    assert store.read(lambda: tables.AccountToken.select().count()) == 0
    assert store.read(accounts.password_hash, ann.id) == ""

// The page of one recording: it has all in itself.

beginPage();
result(byId("main"), readData("heard"));
